import { z } from 'zod';
import { filledText, text, wholeNumber } from '../shared/index.ts';

/** Ids of sessions and accounts are looked up, so that whatever they are not is answered alike. */
const sessionId = text({ min: 1, max: 255 });
const account = text({ min: 1, max: 255 });
const message = filledText(50_000);

/** What clients may send. */
export const eventSchemas = {
  'agent-join-session': z.object({ sessionId, agentAccountId: account }),
  'user-send-message-on-behalf': z.object({ sessionId, agentId: account, message, triggerAI: z.boolean().default(false) }),
  'agent-send-message': z.object({ sessionId, fromAgentId: account, message }),
  'trigger-ai-response': z.object({ sessionId, agentAccountId: account }),
  'get-conversation-history': z.object({ sessionId, force: z.boolean().default(false) }),
  'stream-conversation-messages': z.object({ sessionId, startIndex: z.int().min(0).default(0), batchSize: z.int().min(1).max(1000).default(10) }),
  'get-session-status': z.object({ sessionId }),
  'end-session': z.object({ sessionId }),
} as const;

export const sessionPath = z.object({ sessionId });

const agentId = account.describe('Hedera account: shard.realm.num, with or without checksum');
const role = filledText(100).optional().describe('As in travel, customer-service; default assistant');
const model = text({ min: 1, max: 255 }).optional().describe('provider/model; default the default model of the server');
const prompt = text({ max: 20_000 }).optional().describe('What its model is told besides its role');

export const createBody = z.object({
  agent1Id: agentId,
  agent1Role: role,
  agent1Model: model,
  agent1Prompt: prompt,
  agent2Id: agentId,
  agent2Role: role,
  agent2Model: model,
  agent2Prompt: prompt,
  title: filledText(255).optional(),
  limits: z.object({
    turns: z.int().min(1).max(10_000).optional().describe('Replies of models in the whole session; default 100'),
    depth: z.int().min(1).max(100).optional().describe('Messages of agents in a row behind which a trigger is skipped; default 6'),
    minutes: z.number().min(1).max(43_200).optional().describe('From the start; default 1440'),
    cost: z.number().min(0).max(1000).optional().describe('US dollars of all replies; default 1'),
  }).optional(),
});

export const runBody = z.object({
  turns: z.int().min(1).max(100).optional().describe('Replies; default 10, or what a paused run has left'),
  message: message.optional().describe('Said first, on behalf of the first agent'),
});

export const listQuery = z.object({
  limit: wholeNumber({ min: 1, max: 1000, fallback: 100 }),
  offset: wholeNumber({ min: 0, max: 1_000_000_000, fallback: 0 }),
  status: z.enum(['active', 'ended']).optional(),
});

export const messagesQuery = z.object({
  startIndex: wholeNumber({ min: 0, max: 1_000_000_000, fallback: 0 }),
  batchSize: wholeNumber({ min: 1, max: 1000, fallback: 100 }),
});

const time = z.string().describe('ISO 8601');

const transactions = z.array(z.object({ hashscanUrl: z.string().nullable().describe('Null for a network that nobody from outside can see'), transactionId: z.string() }));

export const sessionAnswer = z.object({
  sessionId: z.string(),
  title: z.string(),
  status: z.enum(['active', 'ended']),
  agents: z.array(z.object({ agentId: z.string(), role: z.string(), model: z.string().nullable(), prompt: z.string().nullable() })),
  messageCount: z.int(),
  startTime: time,
  endTime: time.optional(),
  limits: z.object({ turns: z.int(), depth: z.int(), minutes: z.number(), cost: z.number() }),
  turns: z.int().describe('Replies that models have begun'),
  cost: z.number().describe('US dollars of all replies whose price is known'),
  run: z.object({ state: z.enum(['running', 'paused', 'ended']), turnsLeft: z.int(), reason: z.string().nullable() }).nullable(),
  transcriptSubmitted: z.boolean(),
  transcriptTransactions: transactions,
});

export const messageAnswer = z.object({ from: z.string(), message: z.string(), timestamp: time, metadata: z.record(z.string(), z.unknown()) });

/** `{"success": true, "data": ...}`. */
export function succeeded<Data extends z.ZodType>(data: Data) {
  return z.object({ success: z.literal(true), data });
}

export const endedAnswer = z.object({ sessionId: z.string(), ended: z.boolean(), transcriptSubmitted: z.boolean(), transcriptTransactions: transactions });

/** What one transcript file of 10,000 messages and 4 million characters needs, twice. */
export const checkBodyBytes = 32_000_000;

const fileText = text({ max: 16_000_000 });

export const checkBody = z.object({
  file: fileText.describe('The text of the file'),
  session: sessionId.optional().describe('The session that it is said to be of'),
  witness: text({ max: 100_000 }).optional().describe('The text of a noted head of the log'),
  against: fileText.optional().describe('The text of another transcript of the same session'),
});

export const witnessQuery = z.object({ size: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional() });

/** The file itself: it is written as it is signed, and so nothing of it is left out or put in another order. */
export const sealedAnswer = z.any().describe('The sealed transcript; docs/ledger.md explains it');

export const progressAnswer = z.object({
  sessionId: z.string(),
  sealed: z.boolean(),
  submitted: z.boolean().describe('Whether a public ledger has confirmed every part'),
  anchors: z.array(z.object({
    anchor: z.string(), state: z.enum(['pending', 'partial', 'done', 'failed']), place: z.string(), parts: z.int().nullable(), problem: z.string().nullable(),
    transactions: z.array(z.object({ part: z.int(), transactionId: z.string(), url: z.string().nullable() })),
  })),
  nextTryAt: time.nullable().describe('When it is tried again by itself'),
});

export const verificationAnswer = z.object({
  verdict: z.string(),
  explanation: z.string(),
  first: z.object({ what: z.string(), position: z.int(), message: z.string().nullable() }).nullable(),
  session: z.string().nullable(),
  ledger: z.string().nullable(),
  messages: z.int().nullable(),
  key: z.string().nullable(),
  sealedAt: z.string().nullable(),
  index: z.int().nullable(),
});
