import { z } from 'zod';

/*
 * The form of the project's own files, described in docs/export-format.md. Order matters in one place: `format` and
 * `version` stand before `conversations`, so that a file of any length is read from its beginning to its end.
 */

export const exportFormat = 'parley-export';
export const exportVersion = 1;

/** Bounds of what is read. Units: characters where nothing else is said. */
export const bounds = {
  /** Bytes of one conversation in the file. */
  conversationBytes: 134_217_728,
  messages: 100_000,
  content: 4_000_000,
  /** Of one message's metadata, or of a conversation's parameters, as JSON. */
  metadata: 262_144,
  title: 1000,
  participants: 1000,
} as const;

const text = (max: number) => z.string().max(max);
const short = text(300);
const time = z.iso.datetime({ offset: true }).transform((value) => Date.parse(value));
const count = z.int().min(0).max(1e15).nullish();
const measure = z.number().min(0).max(1e12).nullish();
const object = z.record(z.string(), z.unknown());

export const fileHeader = z.object({ format: z.literal(exportFormat), version: z.int().min(1), exported_by: short.nullish() });

export const figuresForm = z.object({
  tokens_in: count, tokens_out: count, tokens_reasoning: count, tokens_cached: count, cost_micros: count,
  time_to_first_token_ms: measure, duration_ms: measure, confidence: z.number().min(0).max(1).nullish(),
});

/** A picture of a message: its bytes in base64, or the address that names it. */
export const pictureForm = z.object({
  type: short.nullish(),
  data: text(10_000_000).nullish(),
  url: text(4096).nullish(),
  detail: z.enum(['auto', 'low', 'high']).nullish(),
  /** UTF-16 units of the text that stand before it. */
  offset: z.int().min(0),
});
export type ReadPicture = z.output<typeof pictureForm>;

export const messageForm = z.object({
  id: short.min(1),
  parent_id: short.nullish(),
  role: z.enum(['user', 'assistant', 'system', 'tool']),
  sender: short.nullish(),
  content: text(bounds.content),
  reasoning: text(bounds.content).nullish(),
  tool_calls: z.array(z.object({ id: short, name: short, arguments: text(bounds.content) })).max(1000).nullish(),
  tool_call_id: short.nullish(),
  pictures: z.array(pictureForm).max(100).nullish(),
  status: z.enum(['QUEUED', 'PROCESSING', 'DELIVERED', 'CANCELLED', 'FAILED', 'INTERRUPTED']),
  reply_to_id: short.nullish(),
  replaces_id: short.nullish(),
  is_edited: z.boolean().default(false),
  metadata: object.nullish(),
  model: short.nullish(),
  figures: figuresForm.nullish(),
  finish_reason: z.enum(['stop', 'length', 'tool', 'content_filter']).nullish(),
  error: z.object({ code: short, message: text(10_000) }).nullish(),
  created_at: time,
  ended_at: time.nullish(),
});

export const participantForm = z.object({
  username: short,
  role: z.enum(['OWNER', 'ADMIN', 'MEMBER']),
  can_send_messages: z.boolean(),
  can_upload_files: z.boolean(),
  message_count: z.int().min(0),
  joined_at: time,
  last_read_at: time.nullish(),
});

export const conversationForm = z.object({
  id: short.min(1),
  owner: short.nullish(),
  title: text(bounds.title),
  title_source: z.enum(['default', 'first-message', 'model', 'user']).default('user'),
  description: text(100_000).nullish(),
  type: z.enum(['DIRECT', 'GROUP', 'CHANNEL']).default('DIRECT'),
  model: short.nullish(),
  persona: text(1_000_000).nullish(),
  system_prompt: text(1_000_000).nullish(),
  temperature: z.number().min(0).max(10).nullish(),
  max_tokens: z.int().min(1).max(1e9).nullish(),
  parameters: object.default({}),
  is_private: z.boolean().default(true),
  tags: z.array(short).max(200).nullish(),
  label: short.nullish(),
  origin: short.default('parley'),
  head_id: short.nullish(),
  created_at: time,
  last_activity_at: time,
  archived_at: time.nullish(),
  pinned_at: time.nullish(),
  participants: z.array(participantForm).max(bounds.participants).default([]),
  messages: z.array(z.unknown()).max(bounds.messages),
});

export type Figures = z.output<typeof figuresForm>;
export type ExportedParticipant = z.output<typeof participantForm>;

/** What the `parameters` of an imported conversation keep under `import`: what it was, for the next export. */
export const importOrigin = z.object({
  source: z.enum(['parley', 'chatgpt']),
  id: short,
  /** The job that imported it. */
  job: short.nullish(),
  origin: short,
  is_private: z.boolean(),
  participants: z.array(z.record(z.string(), z.unknown())).max(bounds.participants),
});
export type ImportOrigin = z.output<typeof importOrigin>;
