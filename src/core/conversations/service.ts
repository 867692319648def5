import { createAnswers } from './answers.ts';
import { createCancelling } from './cancelling.ts';
import { history, instructions } from './context.ts';
import { createFollowing } from './following.ts';
import { createManagement } from './management.ts';
import type { ConversationNeeds, ConversationParts } from './parts.ts';
import { createRecovery } from './recovery.ts';
import { registerTitles, titleJob } from './titles.ts';
import { createJournal } from './turns/journal.ts';
import { TurnRunner } from './turns/runner.ts';
import type { Conversations } from './types.ts';
import { createUnstored } from './unstored.ts';

/** How long the log of an ended turn is kept, so that a reader who was away gets exactly what follows, milliseconds. */
const logKeptMs = 24 * 3600 * 1000;
/** Rows folded away in one transaction. */
const foldBatch = 200;
const foldEveryMs = 10 * 60 * 1000;

/** The heart: conversations, their messages, and the turns that answer them. */
export function createConversations(needs: ConversationNeeds): Conversations {
  const { storage, clock, log } = needs;
  const journal = createJournal(needs);
  const runner = new TurnRunner({
    ...needs,
    journal,
    sources: [instructions, ...(needs.sources ?? []), history(storage)],
    observers: (turn, outcome) => (needs.settings.autoTitles === 'model' ? titleJob(turn, outcome) : []),
  });
  const parts: ConversationParts = { ...needs, journal, runner };
  const recovery = createRecovery(parts);
  const unstored = createUnstored(parts);
  let folding: NodeJS.Timeout | undefined;
  registerTitles(parts);

  /** Removes the logs of turns that ended long ago; their messages hold the text. */
  async function foldOldLogs(): Promise<void> {
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

  return {
    name: 'conversations',
    ...createManagement(parts),
    ...createAnswers(parts),
    ...createFollowing(parts),
    ...createCancelling(parts),
    answerUnstored: unstored.answerUnstored,

    async start() {
      await recovery.start();
      folding = setInterval(() => void foldOldLogs().catch((error: unknown) => log.error({ err: error }, 'old turn logs could not be folded')), foldEveryMs);
      folding.unref();
    },

    async stop() {
      clearInterval(folding);
      recovery.stop();
      runner.draining = true;
      const drained = Promise.all([...runner.running.values()].map((turn) => turn.ended));
      await Promise.race([drained, pause(needs.settings.drainMs)]);
      const rest = [...runner.running.values()];
      for (const turn of rest) turn.stop('interrupted');
      await Promise.race([Promise.all(rest.map((turn) => turn.ended)), pause(5000)]);
      runner.closed = true;
      await unstored.flush();
    },
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
