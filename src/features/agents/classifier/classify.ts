import { sentencesOf, type Sentence } from './sentences.ts';

/** What a reply does, told from its text alone: the same text has the same flags. */
export interface ResponseFlags {
  /** It asks something. */
  containsQuestion: boolean;
  /** It proposes that the other side, or the agent itself, does something. */
  suggestsAction: boolean;
  /** It asks for what is needed to go on. Then it contains a question, or an imperative such as "tell me". */
  requestsInformation: boolean;
  /** The first that holds: it asks what was meant; it requests information; it suggests an action; none of them. */
  responseType: 'informational' | 'information_request' | 'action_suggestion' | 'clarification';
}

/**
 * Rules over English sentences, found on one half of a labelled set and measured on the other (docs/agent-chat.md has the
 * figures). In other languages only marks of questions are seen.
 */
export function flagsOf(text: string): ResponseFlags {
  const sentences = sentencesOf(text);
  const clarifies = sentences.some(isClarification);
  const suggestsAction = sentences.some(isSuggestion);
  const requestsInformation = clarifies || sentences.some(isRequest);
  const containsQuestion = sentences.some((sentence) => sentence.isQuestion);
  const responseType = clarifies ? 'clarification' : requestsInformation ? 'information_request' : suggestsAction ? 'action_suggestion' : 'informational';
  return { containsQuestion, suggestsAction, requestsInformation, responseType };
}

/** Asks what the last message meant. */
const clarifications: readonly RegExp[] = [
  /\b(what|which \w+|who|whom|where)( exactly| precisely)? (do|did|are|were) you (mean|meant|referring|talking|speaking|refer|thinking of)\b/,
  /\b(do|did|are) you (mean|referring|saying|talking about)\b/,
  /\bby (that|this|["“'‘][^"”'’]+["”'’]|\w+),? (do|did) you\b/,
  /\b(what|how) do you mean\b/,
  /\bwhat (does|did|is) (that|this|["“'‘].+["”'’]) (mean|refer to|supposed to mean)\b/,
  /\b(could|can|would|will) you (please )?(clarify|rephrase|elaborate|explain what you|be more specific|repeat|say that again|spell that out|reword)\b/,
  /\b(please |kindly )(clarify|rephrase|elaborate|be more specific|reword)\b/,
  /^(sorry|pardon|apologies)\b.*\b(not (quite )?(sure|clear|certain)|understand|follow|catch|unclear|get (that|what))/,
  /\b(i'?m|i am) (a bit |a little |slightly |still )?(not (quite |entirely |really )?(sure|clear|certain|following)|unsure|unclear|confused|lost)\b.*\b(what|which|how|whether|by|about|about what)\b.*\b(you|your|that|this)\b/,
  /\b(i )?(did ?n[o']t|do ?n[o']t|could ?n[o']t|can ?n?[o']?t) (quite |fully |really )?(understand|follow|catch|get|make out|parse) (what|which|your|that|this|the (last|first|second))\b/,
  /\bmeaning (what|which|that|the)\b.*\?$/,
  /\bin what sense\b|\bcome again\b|\bhow so\b/,
  /\b(your|the|that|this) (last |previous |first )?(message|question|request|sentence|wording|note|phrase|statement|point)\b.*\b(unclear|ambiguous|vague|two ways|confus|cryptic|puzzl|cut off|incomplete)/,
  /\b(have i|did i|do i|am i) (understood?|understand(ing)?|read(ing)?|get(ting)?|got|interpret(ing)?|hear(d|ing)?)\b.*\b(you|that|this|correctly|right)\b/,
  /\b(is|was) (that|it|this) (the same|what you (mean|meant)|meant as|meant to)\b/,
];

function isClarification({ words }: Sentence): boolean {
  return clarifications.some((pattern) => pattern.test(words));
}

/** Verbs of telling, for which the other side is asked in the imperative. */
const telling = '(tell|give|send|share|provide|specify|state|describe|list|name|indicate|let (me|us) know|let (me|us) have|confirm|enter|fill in|supply|drop (me|us)|forward|attach|upload|mention|note down|pass (me|us|on)|spell out|fill (me|us) in)';

const requests: readonly RegExp[] = [
  new RegExp(`^(so |then |and |but |first,? |also,? |next,? |now,? |to (start|begin|proceed|continue|help|get started|do (this|that))[^,]*, |for (that|this),? |before [^,]*, |in that case,? |great[,!] |thanks[,!] |sure[,!] |once [^,]*, |if [^,]*, )*(please |kindly |just |do )*${telling}\\b(?! me if you (need|want|have any))`),
  new RegExp(`\\b(please|kindly) (also )?${telling}\\b(?! (if you (need|want|have)))`),
  new RegExp(`\\b(could|can|would|will|may|might) (you|i|we) (please |kindly |also |just |possibly )*(${telling}|have|get|ask|know)\\b`),
  /\b(i|we)('ll| will| would|'d)? (still |also |just |only |first )?(need|require|want)( to know| to see| to have| to hear)? (your|the|a|an|some|more|one|two|three|to know|to see|further|additional|from you|details?|information|at least)\b/,
  /\b(i|we) (still |only )?(lack|am missing|are missing|'m missing|'re missing|need from you)\b/,
  /\b(i'?d|i would|we'?d|we would) (like|love|want) to (know|hear|learn|understand|ask)\b/,
  /\b(missing|needed|required|outstanding)( from you)?( is| are|:)/,
  /\bwould you mind (telling|sharing|sending|giving|saying|letting)\b/,
  /\b(waiting|wait) (for|on) your\b|\blook(ing)? forward to (your|hearing)\b.*\b(details|answer|figures|dates|list)\b/,
];

/** Questions for something to know: not offers, not proposals, not mere courtesy. */
const asks: readonly RegExp[] = [
  /\b(what|which|when|where|who|whom|whose|how (many|much|long|old|far|often|big|large|soon|do you|are you|would you|did you|should|will you|is your|does your|has|have you)|why)\b/,
  /\b(do|does|did|are|is|was|were|have|has|had|will|would|can|could|should) (you|your|there|it|they|he|she|the|this|that|anyone|anybody|any|these|those|we)\b/,
  /\b(any|and) (preference|preferences|allergies|deadline|budget|dates?|requirements?|constraints?|restrictions?|other)\b/,
  /^(your|and your|and the|the|for how|from where|to where|until|since) [\w ]+\?$/,
  /\b(right|correct|yes|no|or not|isn't it|aren't you|don't you|or [\w -]+)\?$/,
];

/** Questions that want nothing to go on with: courtesy, rhetoric, or an offer. */
const courtesies: readonly RegExp[] = [
  /\b(how (can|may|could) (i|we) (help|assist|be of)|what can (i|we) do for you|anything else (i|we|you)|something else (i|we) can|is there anything (else )?(i|we|you)|can (i|we) help|how are you|how is it going|how do you do)\b/,
  /(^|[,;:-] |\b(or|and|so|but) )(shall (i|we)|should (i|we)|do you want (me|us) to|would you like (me|us|to)|want (me|us) to|may (i|we)|can (i|we)|could (i|we)|why (don't|not)|what about|how about|will you join|fancy|who knows|isn't (it|that)|what if|who would(n't)? (have|not)|why bother|what more could|who could|what could)\b/,
  /\b(did you know|have you ever|have you heard|guess what|you know what)\b/,
];

function isRequest(sentence: Sentence): boolean {
  const { words, isQuestion } = sentence;
  if (requests.some((pattern) => pattern.test(words)) && !isOffer(words)) return true;
  return isQuestion && !courtesies.some((pattern) => pattern.test(words)) && asks.some((pattern) => pattern.test(words));
}

/** `Let me know if you need anything` asks for nothing. */
function isOffer(words: string): boolean {
  return /\b(let (me|us) know|tell (me|us)|ask( me| us)?|feel free|just ask)\b.*\b(if|when|whenever|should|in case)\b.*\b(need|want|have|like|wish|help|anything|any)\b/.test(words) || /\bfeel free\b/.test(words);
}

const doing = '(try|book|check|call|visit|start|begin|consider|use|go|take|buy|install|restart|update|contact|schedule|reserve|choose|pick|move|switch|open|read|write|compare|meet|look|set|add|remove|avoid|split|keep|make|plan|bring|order|sign|apply|register|save|download|back|run|turn|put|follow|wait|leave|stay|get|cancel|pay|wear|drink|eat|do|have|change|ask|speak|talk|think|focus|cut|skip|test|measure|draft|review|postpone|merge|close|reset|clear|unplug|replace|rebook|arrange|invest|rent|hire|sell|practise|practice|learn|watch|listen|walk|print|submit|deploy|roll|store|freeze|stop|increase|reduce|lower|raise|enable|disable|bake|mix|verify|negotiate|upgrade|discuss|agree|aim|allow|archive|rename|pack|head|catch|hold|double|ship|charge|revise|limit|delete|note|publish|drop|travel|explore|spend|share|send|combine|settle|shift|group|label|rinse|stretch|rest|sleep)';

const suggestions: readonly RegExp[] = [
  /\b(i|we)('d| would| do|'ll)? (strongly |highly |also |therefore |rather |really |warmly )?(suggest|recommend|propose|advise|urge|encourage)\b/,
  /\b(my|our) (suggestion|recommendation|advice|proposal|tip) (is|would be)\b|\b(suggestion|recommendation|proposal|tip):/,
  new RegExp(`\\b(you|we|one|they) (should|could|might|may want to|might want to|ought to|had better|can|may|need to|must|have to) (also |first |then |simply |just |always |still |instead |either |perhaps |easily |safely )*(want to |like to |as well )?(be |${doing})\\b`),
  /\b(you|we) (could|should|ought to|might want to|may want to|had better) (also |first |then |simply |just |always |still |instead |either |perhaps |easily |safely )*(?!be |have |see |say |know |imagine |expect |hear )\w+/,
  /\b(you|we)'(d|ll) (be better off|do better|better|do well|want to|need to|save)\b|\b(you|we) would (be better off|do better|do well|be wise)\b/,
  /\b(let's|let us|lets)\b(?! (say|see if|know))/,
  // Not behind `who`, `how` and the like: those ask for something.
  /(^|[,;:-] |\b(or|and|so|but) )(why (don't|not|dont) (you|we|i)?|how about|what about|what if (you|we|i)|shall (we|i)|should (we|i)|would you like (me |us |to )|do you want (me|us) to|want (me|us) to|may i|can i|could i|could we|can we)\b.*\?$/,
  /\b(i|we)('ll| can| could| will| may| would be (happy|glad) to| am happy to|'d be (happy|glad) to| am going to|'m going to| plan to|'m ready to| am ready to) (also |then |now |gladly |happily |certainly |help you |help (with |to )?|go ahead and )*(suggest|help|book|arrange|send|prepare|check|draft|call|set|make|create|compare|look|find|organi[sz]e|reserve|reach|forward|order|update|schedule|start|open|put|walk|show|write|add|run|cancel|change|move|review|plan|hold|ask|issue|refund|transfer|escalate|file|offer|propose|get|share|bring|take|handle|collect|replace|ship|generate|summari[sz]e|translate|migrate|restart|deploy|ping|wait|keep)\b/,
  /\b(it|that) (would|might|could|may|will) be (a )?(best|better|wise|good|worth|sensible|safer|cheaper|smart|helpful|useful|easiest|prudent|an idea|idea)\b/,
  /\b(it'?s|it is|it'?d be|that'?s) (probably |usually |also |often |generally |always )?(best|better|wise|worth|a good idea|advisable|sensible|safer|time|recommended|smart|prudent) (to|if|that|\w+ing)\b/,
  /\b(the best (thing|option|way|approach|step|move|plan) (is|would be)|a (better|good|safe|cheap|simple|sensible) (option|choice|way|plan|move|step|idea) (is|would be)|(the )?next step(s)?( is| would be| are|:))/,
  /\b(perhaps|maybe) (you|we|i) (should|could|can|might)\b|\b(perhaps|maybe) (try|take|use|start|wait|ask|book|consider|begin|leave|go|move)\b/,
  /\bif i were you\b|\bin your place i\b|\bhappy to (book|arrange|set|do|send|make|prepare|walk|draft|take|look|start|jump)\b/,
  /\b(worth|consider|try|recommend|suggest|avoid) \w+ing\b/,
];

/** Tells the other side to do something. */
const imperative = new RegExp(`^(so |then |and |also,? |next,? |now,? |otherwise,? |instead,? |finally,? |first,? |second,? |third,? |step \\d+[:.]? |\\d+[.)] |[-*] |for (that|this|now),? |in that case,? |if [^,]*, |when [^,]*, |once [^,]*, |before [^,]*, |after [^,]*, |to [^,]*, |please |kindly |just |simply |always |never |don't |do not |maybe |perhaps )*${doing}\\b(?! (is|was|are|has|had|of|in the|will|can)\\b)`);

function isSuggestion({ words, isQuestion }: Sentence): boolean {
  // Who asks what may be known suggests nothing by it.
  if (isQuestion && (courtesies[0]!.test(words) || /\b(could|can|would|will) you\b(?! like (me|us|to)\b)/.test(words))) return false;
  // Who is told to tell something is not told to do something; what the agent does for it then is.
  const isAsked = requests[0]!.test(words) && !isOffer(words);
  if (!isQuestion && !isAsked && imperative.test(words)) return true;
  return suggestions.some((pattern) => pattern.test(isAsked ? words.replace(/^.*?(,|;| and | then )/, '') : words));
}
