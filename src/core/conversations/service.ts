import { createAnswers } from './answers.ts';
import { createAppending } from './appending.ts';
import { createAsides } from './asides.ts';
import { createCancelling } from './cancelling.ts';
import { conversationUsage } from './figures/conversation-usage.ts';
import { history, instructions } from './context.ts';
import { createCurrent } from './current.ts';
import { createFigures } from './figures/figures.ts';
import { forgetAnswer } from './forgetting.ts';
import { createFollowing } from './following.ts';
import { createManagement } from './management.ts';
import { createOrganising } from './organising/organising.ts';
import { createMembers } from './members/members.ts';
import type { ConversationNeeds, ConversationParts } from './parts.ts';
import { createReadMarks } from './members/read-marks.ts';
import { createReading } from './members/marked-reading.ts';
import { readParts, readPicture } from './pictures/picture-reading.ts';
import { createOverview } from './figures/overview.ts';
import { createSpeaking } from './parties/speaking.ts';
import { Recovery } from './recovery.ts';
import { createRemovals } from './members/removals.ts';
import { sentContext } from './sent-context.ts';
import { registerTitles, titleJob } from './titles.ts';
import { createJournal } from './turns/journal.ts';
import { TurnRunner } from './turns/runner.ts';
import type { Conversations } from './contract.ts';
import { createUnstored, type UnstoredCalls } from './unstored.ts';
import { createSearch } from './search/searching.ts';
import { createTrash } from './organising/trash.ts';
import { createWatched } from './watching.ts';

/** How long the log of an ended turn is kept, so that a reader who was away gets exactly what follows, milliseconds. */
const logKeptMs = 24 * 3600 * 1000;
/** Rows folded away in one transaction. */
const foldBatch = 200;
/** How long storing the ends of interrupted answers may take, milliseconds. */
const stopMs = 5000;
const foldEveryMs = 10 * 60 * 1000;

/** The heart: conversations, their messages, and the turns that answer them. */
export function createConversations(needs: ConversationNeeds): Conversations {
  const { storage, log } = needs;
  const journal = createJournal({ ...needs, turnsRunning: () => runner.running.size });
  const sources = [instructions, ...(needs.sources ?? []), sentContext, history(storage)];
  const runner: TurnRunner = new TurnRunner({
    ...needs,
    journal,
    sources,
    observers: (turn, outcome) => (needs.settings.autoTitles === 'model' ? titleJob(turn, outcome) : []),
  });
  const parts: ConversationParts = { ...needs, journal, runner };
  const recovery = new Recovery(parts);
  const watched = createWatched(parts);
  const removals = createRemovals(parts);
  const following = createFollowing(parts, watched, removals);
  const marks = createReadMarks(parts);
  const { cancel } = createCancelling(parts);
  const unstored = createUnstored(parts);
  const trash = createTrash(parts);
  let folding: NodeJS.Timeout | undefined;
  registerTitles(parts);

  return {
    name: 'conversations',
    ...createManagement(parts),
    ...createOrganising(parts),
    ...createMembers(parts),
    ...createAnswers(parts),
    search: createSearch(parts),
    usage: (...given) => conversationUsage(parts, ...given),
    ...createReading(parts, marks),
    ...createCurrent(parts),
    ...createFigures(parts),
    ...createOverview(parts),
    picture: (...given) => readPicture(parts, ...given),
    partsOf: (...given) => readParts(parts, ...given),
    ...following,
    ...createAppending(parts),
    ...createSpeaking(parts),
    cancel,
    forgetAnswer: (viewer, messageId) => forgetAnswer(parts, cancel, viewer, messageId),
    answerUnstored: unstored.answerUnstored,
    ...createAsides(parts, sources, unstored),
    callsRunning: () => unstored.running.size,
    embedUnstored: unstored.embedUnstored, drawUnstored: unstored.drawUnstored,

    async start() {
      if (needs.runsTurns === false) return;
      await recovery.start();
      watched.start();
      trash.start();
      removals.start();
      folding = setInterval(() => void foldOldLogs(parts).catch((error: unknown) => log.error({ err: error }, 'old turn logs could not be folded')), foldEveryMs);
      folding.unref();
    },

    async stop() {
      clearInterval(folding);
      watched.stop();
      await trash.stop();
      removals.stop();
      await recovery.stopLooking();
      await drain(runner, unstored, needs.settings.drainMs);
      journal.close();
      await recovery.stop();
      await unstored.flush();
      await marks.flush();
    },
  };
}

/** Removes the logs of turns that ended long ago; their messages hold the text. */
async function foldOldLogs({ storage, clock }: ConversationNeeds): Promise<void> {
  for (;;) {
    const rows = await storage.read
      .selectFrom('turn_log')
      .innerJoin('messages', 'messages.id', 'turn_log.message_id')
      .select('turn_log.message_id')
      .distinct()
      .where('messages.ended_at', '<', clock.now() - logKeptMs)
      .limit(foldBatch)
      .execute();
    if (rows.length === 0) return;
    await storage.write((queries) => queries.deleteFrom('turn_log').where('message_id', 'in', rows.map((row) => row.message_id)).execute());
  }
}

/** Lets running answers finish for a while; those that do not are INTERRUPTED. Waiting ones are left to the next start. */
async function drain(runner: TurnRunner, unstored: UnstoredCalls, drainMs: number): Promise<void> {
  runner.draining = true;
  const running = () => [...runner.running.values(), ...unstored.running];
  await Promise.race([Promise.all(running().map((call) => call.ended)), pause(drainMs)]);
  const rest = running();
  for (const call of rest) call.stop('interrupted');
  await Promise.race([Promise.all(rest.map((call) => call.ended)), pause(stopMs)]);
  runner.closed = true;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
