import { createHash } from 'node:crypto';
import { z } from 'zod';
import { nodeMessage, saidBy, type NodeMessage } from './chatgpt-content.ts';
import { bounds } from './form.ts';
import { Remarks, storable, storableValue, type ReadConversation, type ReadMessage } from './neutral.ts';

/** An element of `conversations.json` as ChatGPT exports it. Times are seconds since the epoch, with fractions. */
const conversation = z.object({
  id: z.string().nullish().catch(null),
  conversation_id: z.string().nullish().catch(null),
  title: z.string().nullish().catch(null),
  create_time: z.number().nullish().catch(null),
  update_time: z.number().nullish().catch(null),
  mapping: z.record(z.string(), z.unknown()),
  current_node: z.string().nullish().catch(null),
  is_archived: z.boolean().nullish().catch(null),
  is_starred: z.boolean().nullish().catch(null),
});

/** UTF-16 units of thoughts that one answer keeps. */
const mostThoughts = 1_000_000;

interface Node {
  key: string;
  parent: string | null;
  message: NodeMessage | null;
}

/**
 * A conversation of ChatGPT's export. Its tree is kept with all branches; nodes that say nothing are taken out, and what
 * follows them moves up.
 * @throws {Error} saying what is wrong with it as a whole
 */
export function readChatgpt(value: unknown, text: string): ReadConversation {
  const parsed = conversation.safeParse(storableValue(value));
  if (!parsed.success) throw new Error('It has no tree of messages (`mapping`).');
  const { data } = parsed;
  if (Object.keys(data.mapping).length > bounds.messages) throw new Error(`It has more than ${bounds.messages} messages.`);
  const remarks = new Remarks();
  const nodes = inOrder(nodesOf(data.mapping, remarks), data.create_time ?? null, remarks);
  const messages = messagesOf(nodes, remarks);
  if (messages.kept.length === 0) throw new Error('It has no messages.');
  const times = messages.kept.map(({ createdAt }) => createdAt);
  const createdAt = milliseconds(data.create_time) ?? times[0]!;
  const lastActivityAt = Math.max(createdAt, times.reduce((latest, time) => Math.max(latest, time), 0));
  const head = data.current_node ?? null;
  if (head !== null && !messages.standsFor.has(head)) remarks.add('the branch that was shown is not in the file: the newest is shown');
  return {
    source: 'chatgpt', sourceId: (data.conversation_id || data.id || createHash('sha256').update(text).digest('hex')).slice(0, 300), title: (data.title?.trim() || 'New chat').slice(0, 200),
    titleSource: 'user', description: null, type: 'DIRECT', model: null, persona: null, systemPrompt: null, temperature: null, maxTokens: null, parameters: {}, isPrivate: true, tags: null,
    label: null, origin: 'chatgpt', headKey: head === null ? null : (messages.standsFor.get(head) ?? null), createdAt, lastActivityAt,
    archivedAt: data.is_archived ? (milliseconds(data.update_time) ?? lastActivityAt) : null, pinnedAt: data.is_starred ? (milliseconds(data.update_time) ?? lastActivityAt) : null,
    participants: [], exportedBy: null, messages: messages.kept, remarks: remarks.list(),
  };
}

function nodesOf(mapping: Record<string, unknown>, remarks: Remarks): Map<string, Node> {
  const nodes = new Map<string, Node>();
  for (const [key, value] of Object.entries(mapping)) {
    if (typeof value !== 'object' || value === null) {
      remarks.add('nodes that are no nodes were left out');
      continue;
    }
    const { parent, message } = value as { parent?: unknown; message?: unknown };
    const parsed = message == null ? null : nodeMessage.safeParse(message);
    if (parsed && !parsed.success) remarks.add('messages that are no messages were left out');
    nodes.set(key, { key, parent: typeof parent === 'string' ? parent : null, message: parsed?.success ? parsed.data : null });
  }
  return nodes;
}

/** Parents before their children, and otherwise by time. A node without its parent begins a branch; circles are cut. */
function inOrder(nodes: Map<string, Node>, beginning: number | null, remarks: Remarks): (Node & { at: number })[] {
  const children = new Map<string | null, Node[]>();
  for (const node of nodes.values()) {
    const parent = node.parent !== null && nodes.has(node.parent) ? node.parent : null;
    if (parent === null && node.parent !== null) remarks.add('a message whose parent is missing begins a branch of its own');
    const siblings = children.get(parent);
    if (siblings) siblings.push(node);
    else children.set(parent, [node]);
  }
  const ordered: (Node & { at: number })[] = [];
  const seen = new Set<string>();
  const walk = (roots: readonly Node[]): void => {
    const waiting = roots.map((node) => ({ node, from: milliseconds(beginning) ?? 0 })).toReversed();
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { node, from } = next;
      if (seen.has(node.key)) continue;
      seen.add(node.key);
      const at = Math.max(from, milliseconds(node.message?.create_time) ?? 0);
      ordered.push({ ...node, at });
      for (const child of (children.get(node.key) ?? []).toReversed()) waiting.push({ node: child, from: at });
    }
  };
  walk(children.get(null) ?? []);
  for (const node of nodes.values()) {
    if (seen.has(node.key)) continue;
    remarks.add('messages that follow each other in a circle were taken apart');
    walk([node]);
  }
  return ordered.map((node, index) => ({ node, index })).sort((one, other) => one.node.at - other.node.at || one.index - other.index).map(({ node }) => node);
}

/** The messages that say something, and for every node the last of them on its path. */
function messagesOf(nodes: readonly (Node & { at: number })[], remarks: Remarks): { kept: ReadMessage[]; standsFor: Map<string, string | null> } {
  const kept: ReadMessage[] = [];
  const byKey = new Map<string, ReadMessage>();
  const standsFor = new Map<string, string | null>();
  /** Thoughts on the way to the answer behind them. */
  const thoughts = new Map<string, Thoughts | null>();
  for (const node of nodes) {
    const parentKey = node.parent === null ? null : (standsFor.get(node.parent) ?? null);
    const before = node.parent === null ? null : (thoughts.get(node.parent) ?? null);
    const said = node.message ? saidBy(node.message) : { kind: 'nothing' as const, reason: null };
    if (said.kind === 'nothing' || said.kind === 'reasoning') {
      if (said.kind === 'nothing' && said.reason) remarks.add(said.reason);
      standsFor.set(node.key, parentKey);
      thoughts.set(node.key, said.kind === 'reasoning' ? { before, text: said.text } : before);
      continue;
    }
    const message = asRead(node, said, parentKey, byKey.get(parentKey ?? ''), textOf(before));
    if (message.content.length > bounds.content) {
      remarks.add('messages that are too long were cut');
      message.content = storable(message.content.slice(0, bounds.content));
    }
    kept.push(message);
    byKey.set(node.key, message);
    standsFor.set(node.key, node.key);
  }
  return { kept, standsFor };
}

/** Thoughts, and those before them. */
interface Thoughts {
  before: Thoughts | null;
  text: string;
}

function textOf(thoughts: Thoughts | null): string {
  const texts: string[] = [];
  for (let [at, length] = [thoughts, 0]; at && length < mostThoughts; at = at.before) {
    texts.unshift(at.text.slice(0, mostThoughts));
    length += at.text.length + 1;
  }
  return texts.join('\n\n');
}

function asRead(node: Node & { at: number }, said: { kind: 'text'; text: string } | { kind: 'call'; name: string; arguments: string }, parentKey: string | null, parent: ReadMessage | undefined, reasoning: string): ReadMessage {
  const { author, metadata, status, update_time: updated } = node.message!;
  const answersCall = author.role === 'tool' && parent?.tools !== undefined && parent.tools !== null;
  const role = author.role === 'user' || author.role === 'system' ? author.role : answersCall ? 'tool' : 'assistant';
  const finish = typeof metadata?.['finish_details'] === 'object' && metadata['finish_details'] !== null ? (metadata['finish_details'] as { type?: unknown }).type : undefined;
  const slug = metadata?.['model_slug'];
  return {
    key: node.key, parentKey, role, sender: role === 'user' ? true : null, content: said.kind === 'text' ? said.text : '', reasoning: role === 'assistant' && reasoning !== '' ? reasoning : null,
    tools: said.kind === 'call' ? JSON.stringify([{ id: node.key, name: said.name.slice(0, 300), arguments: said.arguments }]) : answersCall ? JSON.stringify({ toolCallId: callOf(parent) }) : null,
    status: status === 'in_progress' ? 'INTERRUPTED' : status === 'finished_partial_completion' || finish === 'interrupted' ? 'CANCELLED' : 'DELIVERED',
    replyToKey: null, replacesKey: null, isEdited: false, metadata: null,
    model: role === 'assistant' && typeof slug === 'string' && slug !== '' ? `openai/${slug.slice(0, 200)}` : null,
    figures: null, pictures: [], finishReason: finish === 'stop' ? 'stop' : finish === 'max_tokens' ? 'length' : null, error: null,
    createdAt: node.at, endedAt: Math.max(node.at, milliseconds(updated) ?? 0),
  };
}

/** The call that the result behind this message answers: a call, or another result of it. */
function callOf({ tools }: ReadMessage): string {
  const value = JSON.parse(tools!) as { id: string }[] | { toolCallId: string };
  return Array.isArray(value) ? value[0]!.id : value.toolCallId;
}

/** Seconds as milliseconds, where they are a time. */
function milliseconds(seconds: number | null | undefined): number | null {
  return typeof seconds === 'number' && seconds > 0 && seconds < 1e11 ? Math.round(seconds * 1000) : null;
}
