import { formatCost, formatCount } from '../../shared/format.ts';
import { isOfPerson, type AgentMessage, type AgentSession } from './types.ts';

/** How an agent is called: its role, and its account where both have the same. */
export function nameOf({ agents }: Pick<AgentSession, 'agents'>, agentId: string): string {
  const agent = agents.find((one) => one.agentId === agentId);
  if (!agent) return agentId;
  return agents[0].role === agents[1].role ? `${agent.role} ${agent.agentId}` : agent.role;
}

/** Why an agent that was asked says nothing, for a person. */
export function skipSentence(session: AgentSession, agentId: string, reason: string): string {
  const name = capital(nameOf(session, agentId));
  switch (reason) {
    case 'loop-prevention':
      return `${name} did not answer: it spoke last itself, or the agents have said ${formatCount(session.limits.depth)} messages in a row without you. Say something, or let them talk by themselves.`;
    case 'already-generating': return `${name} is answering already.`;
    case 'no-message-to-answer': return `${name} has nothing to answer yet: say something first.`;
    case 'generation-failed': return `The reply of ${nameOf(session, agentId)} failed.`;
    default: return `${name} did not answer: ${limitSentences[reason] ?? reason}`;
  }
}

const limitSentences: Record<string, string> = {
  'turn-limit': 'all replies that this session may have were made.',
  'time-limit': 'the time of this session is over.',
  'cost-limit': 'the money of this session is used up.',
};

/** Why agents do not go on talking by themselves, for a person. */
export function runSentence(reason: string | null): string {
  switch (reason) {
    case 'paused': return 'Paused.';
    case 'stopped': return 'Stopped.';
    case 'turns-done': return 'They stopped: all the replies you asked for were made.';
    case 'session-ended': return 'They stopped: the session was ended.';
    case 'generation-failed': return 'They stopped: a reply failed.';
    case 'not-allowed': return 'They stopped: no reply may be made now. A model is missing, or your budget is used up.';
    case 'no-message-to-answer': return 'They stopped: there was nothing to answer.';
    case null: return 'They stopped.';
    default: return `They stopped: ${limitSentences[reason] ?? reason}`;
  }
}

/** One limit, and how much of it is used. */
export interface Used {
  name: string;
  /** Both in the unit of the limit. */
  used: number;
  most: number;
  /** For a person. */
  text: string;
}

/** What of each limit of a session is used. @param now milliseconds since the epoch */
export function usedOf(session: AgentSession, messages: readonly AgentMessage[], now: number): Used[] {
  const { limits, turns } = session;
  const until = session.endTime === undefined ? now : Date.parse(session.endTime);
  const minutes = Math.max(0, (until - Date.parse(session.startTime)) / 60_000);
  const depth = inARow(messages);
  return [
    { name: 'Replies', used: turns, most: limits.turns, text: `${formatCount(turns)} of ${formatCount(limits.turns)}` },
    { name: 'In a row without you', used: depth, most: limits.depth, text: `${formatCount(depth)} of ${formatCount(limits.depth)}` },
    { name: 'Time', used: minutes, most: limits.minutes, text: `${lengthOf(minutes)} of ${lengthOf(limits.minutes)}` },
    { name: 'Money', used: session.cost, most: limits.cost, text: `${moneyOf(session.cost)} of ${moneyOf(limits.cost)}` },
  ];
}

function moneyOf(dollars: number): string {
  return dollars === 0 ? '$0' : formatCost(dollars);
}

/** Messages at the end that no person wrote. */
export function inARow(messages: readonly AgentMessage[]): number {
  const last = messages.findLastIndex(isOfPerson);
  return messages.length - 1 - last;
}

/** Minutes for a person: "5 min", "2 h", "1 d 3 h". */
export function lengthOf(minutes: number): string {
  const whole = Math.floor(minutes);
  if (whole < 60) return `${whole} min`;
  const hours = Math.floor(whole / 60);
  if (hours < 24) return whole % 60 === 0 ? `${hours} h` : `${hours} h ${whole % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What a reply does, as quiet marks beside it. */
export function marksOf({ metadata }: AgentMessage): string[] {
  return [metadata.containsQuestion && 'asks', metadata.suggestsAction && 'suggests', metadata.requestsInformation && 'requests information'].filter((mark) => typeof mark === 'string');
}
