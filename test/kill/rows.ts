import type { Ledger } from './ledger.ts';
import type { Tables } from './tables.ts';
import type { Upstream } from './upstream.ts';

/** Statements that must find nothing, whenever they run: each transaction leaves the tables like this. */
const alwaysEmpty: Record<string, string> = {
  'a turn without its message': 'select t.message_id from turns t left join messages m on m.id = t.message_id where m.id is null',
  'an unfinished message without its turn': "select m.id from messages m left join turns t on t.message_id = m.id where m.status in ('PROCESSING', 'QUEUED') and t.message_id is null",
  'a turn of a message that has ended': "select m.id from turns t join messages m on m.id = t.message_id where m.status not in ('PROCESSING', 'QUEUED')",
  'a turn and a message that disagree': "select m.id from turns t join messages m on m.id = t.message_id where (t.state = 'RUNNING') <> (m.status = 'PROCESSING')",
  'an unfinished message with an end, or an ended one without': "select id from messages where (ended_at is null) <> (status in ('PROCESSING', 'QUEUED'))",
  'two running turns in one conversation': "select conversation_id from turns where state = 'RUNNING' group by conversation_id having count(*) > 1",
  'a message whose parent is missing, elsewhere or at the wrong depth':
    'select m.id from messages m left join messages p on p.id = m.parent_id where m.parent_id is not null and (p.id is null or p.conversation_id <> m.conversation_id or p.depth + 1 <> m.depth or p.seq >= m.seq)',
  'a first message that is not at depth 1': 'select id from messages where parent_id is null and depth <> 1',
  'a conversation whose head is missing or elsewhere': 'select c.id from conversations c left join messages m on m.id = c.head_id where c.head_id is not null and (m.id is null or m.conversation_id <> c.id)',
  'a conversation with messages and no head': 'select distinct c.id from conversations c join messages m on m.conversation_id = c.id where c.head_id is null',
  'a conversation with a hole in its seq': 'select c.id from conversations c left join messages m on m.conversation_id = c.id group by c.id having count(m.id) <> c.last_seq or coalesce(max(m.seq), 0) <> c.last_seq',
  'a message without its conversation': 'select m.id from messages m left join conversations c on c.id = m.conversation_id where c.id is null',
  'a conversation nobody takes part in': 'select c.id from conversations c left join participants p on p.conversation_id = c.id where p.user_id is null',
  'two conversations with one number': 'select owner_id from conversations group by owner_id, number having count(*) > 1',
  'log rows without their message': 'select distinct l.message_id from turn_log l left join messages m on m.id = l.message_id where m.id is null',
  'a hole in the seq of a log': 'select message_id from turn_log group by message_id having min(seq) <> 1 or max(seq) <> count(*)',
  'a log with more than one end, or with something behind it':
    "select message_id from turn_log group by message_id having sum(case kind when 'end' then 1 else 0 end) > 1 or (sum(case kind when 'end' then 1 else 0 end) = 1 and max(case kind when 'end' then seq end) <> max(seq))",
  'an ended answer whose log has no end': "select m.id from messages m join turn_log l on l.message_id = m.id where m.ended_at is not null group by m.id having sum(case l.kind when 'end' then 1 else 0 end) <> 1",
  'an ended answer without a log': "select m.id from messages m left join turn_log l on l.message_id = m.id where m.role = 'assistant' and m.ended_at is not null and l.seq is null",
  'an unfinished answer whose log has an end': "select m.id from messages m join turn_log l on l.message_id = m.id where m.ended_at is null and l.kind = 'end'",
  'an answer paid twice': 'select message_id from usage where message_id is not null group by message_id having count(*) > 1',
  'a delivered answer without its usage': "select m.id from messages m left join usage u on u.message_id = m.id where m.role = 'assistant' and m.status = 'DELIVERED' and u.id is null",
};

interface MessageRow {
  id: string;
  conversation_id: string;
  parent_id: string | null;
  role: string;
  content: string;
  status: string;
  replaces_id: string | null;
}

/** Looks at the tables of a server that has just started: nothing dangles, and all running turns are its own. */
export async function checkAfterStart(tables: Tables, ledger: Ledger): Promise<void> {
  await checkShape(tables, ledger);
  const owners = await tables.all("select distinct owner from turns where state = 'RUNNING'");
  if (owners.length > 1) ledger.fault('partial rows', `running turns of ${owners.length} instances right after a start`);
}

/** What every transaction leaves like this, so at any moment. */
export async function checkShape(tables: Tables, ledger: Ledger): Promise<void> {
  for (const [what, sql] of Object.entries(alwaysEmpty)) {
    const found = await tables.all(sql);
    if (found.length > 0) ledger.fault('partial rows', `${what}: ${found.slice(0, 3).map((row) => Object.values(row)[0]).join(', ')} (${found.length})`);
  }
}

/** The last look, when nothing runs any more: everything that clients were told is there, once and unchanged. */
export async function checkAtEnd(tables: Tables, ledger: Ledger, upstream: Upstream): Promise<void> {
  await checkShape(tables, ledger);
  for (const damage of await tables.damage()) ledger.fault('partial rows', damage);
  const waiting = await tables.all('select message_id, state from turns');
  for (const turn of waiting) ledger.fault('stuck turn', `${String(turn['message_id'])} is ${String(turn['state'])} though the server had time`);
  const rows = (await tables.all('select id, conversation_id, parent_id, role, content, status, replaces_id from messages')) as unknown as MessageRow[];
  const messages = new Map(rows.map((row) => [row.id, row]));
  checkKnown(ledger, messages);
  checkUnknown(ledger, messages);
  checkTexts(ledger, messages, upstream);
  await checkLogs(tables, ledger, messages);
}

/** What was acknowledged or seen is there as it was. */
function checkKnown(ledger: Ledger, messages: ReadonlyMap<string, MessageRow>): void {
  const isDeleted = (chatId: string | null): boolean => chatId !== null && (ledger.chats.get(chatId)?.deleted ?? false);
  for (const message of ledger.messages.values()) {
    if (isDeleted(message.chatId)) {
      if (messages.has(message.id)) ledger.fault('partial rows', `message ${message.id} is left of a deleted chat`);
      continue;
    }
    const row = messages.get(message.id);
    if (!row) ledger.fault('message lost', `message ${message.id} "${message.content}"`);
    else if (row.content !== message.content) ledger.fault('message lost', `message ${message.id} says "${row.content}" and not "${message.content}"`);
  }
  for (const answer of ledger.answers.values()) {
    const row = messages.get(answer.id);
    if (row) answer.end(row);
    else if (!isDeleted(answer.chatId)) ledger.fault('answer lost', `answer ${answer.id}`);
  }
}

/** What nobody was told of: one row for each request that broke, at most. */
function checkUnknown(ledger: Ledger, messages: ReadonlyMap<string, MessageRow>): void {
  const contents = new Map<string, number>();
  const extra = new Map<string, number>();
  for (const row of messages.values()) {
    if (row.role === 'user') contents.set(row.content, (contents.get(row.content) ?? 0) + 1);
    else if (!ledger.answers.has(row.id) && ledger.chats.has(row.conversation_id)) extra.set(row.conversation_id, (extra.get(row.conversation_id) ?? 0) + 1);
  }
  for (const [content, count] of contents) {
    // The OpenAI dialect may be sent the same history again and then keeps it again: only arketic's messages are all new.
    if (count > 1 && [...ledger.messages.values()].some((message) => message.content === content)) ledger.fault('message doubled', `"${content}" is there ${count} times`);
  }
  for (const [chatId, count] of extra) {
    const allowed = ledger.chats.get(chatId)!.unanswered;
    if (count > allowed) ledger.fault('answer doubled', `chat ${chatId} has ${count} answers that nobody was told of, after ${allowed} broken requests`);
  }
}

/** Each answer says what the model said to its own question, from the beginning, and nobody else's answer says it too. */
function checkTexts(ledger: Ledger, messages: ReadonlyMap<string, MessageRow>, upstream: Upstream): void {
  const spoken = new Map<number, string>();
  for (const row of messages.values()) {
    if (row.role !== 'assistant' || row.content === '') continue;
    const kept = row.replaces_id === null ? '' : keptText(row, messages);
    const own = row.content.slice(kept.length);
    if (own === '') continue;
    const [, question, number] = /^<(q\d+) (\d+)/.exec(own) ?? /^<(q\d+)/.exec(own) ?? [];
    const asked = row.parent_id === null ? null : messages.get(row.parent_id)?.content.split(' ')[0];
    if (!'<q'.startsWith(own.slice(0, 2))) ledger.fault('wrong answer', `${row.id} says "${own.slice(0, 60)}", which the model never did`);
    if (question !== undefined && question !== asked) ledger.fault('wrong answer', `${row.id} answers ${question}, not ${String(asked)}`);
    const source = number === undefined || !own.includes('>') ? null : upstream.answers.get(Number(number));
    if (source === null) continue;
    if (!source || !source.text.startsWith(own)) ledger.fault('text changed', `${row.id} says "${own}", the model said "${source?.text}"`);
    else if (row.status === 'DELIVERED' && source.text !== own) ledger.fault('text lost', `${row.id} is DELIVERED with ${own.length} of ${source.text.length} characters`);
    const other = spoken.get(Number(number));
    // A history sent again is kept again, so only answers that clients followed count.
    if (other !== undefined && ledger.answers.has(row.id) && ledger.answers.has(other)) ledger.fault('answer doubled', `${row.id} and ${other} both hold what the model said in call ${number}`);
    if (other === undefined || ledger.answers.has(row.id)) spoken.set(Number(number), row.id);
  }
}

/** The text that a continued answer begins with. */
function keptText(row: MessageRow, messages: ReadonlyMap<string, MessageRow>): string {
  const before = messages.get(row.replaces_id!)?.content ?? '';
  return before !== '' && row.content.startsWith(before) ? before : '';
}

/** The log of an ended answer adds up to its text, and its offsets to its length in UTF-16 units. */
async function checkLogs(tables: Tables, ledger: Ledger, messages: ReadonlyMap<string, MessageRow>): Promise<void> {
  const texts = new Map<string, string>();
  for (const row of await tables.all("select message_id, seq, body, text_offset from turn_log where kind = 'text' order by message_id, seq")) {
    const { message_id: id, body, text_offset: offset } = row as unknown as { message_id: string; body: string; text_offset: number };
    const before = texts.get(id) ?? '';
    if (offset !== before.length) ledger.fault('partial rows', `the log of ${id} has a piece at ${offset} where ${before.length} follows`);
    if (!body.isWellFormed()) ledger.fault('partial rows', `the log of ${id} cuts a surrogate pair`);
    texts.set(id, before + body);
  }
  for (const [id, text] of texts) {
    const row = messages.get(id);
    if (row && row.content !== text) ledger.fault('partial rows', `${id} holds ${row.content.length} characters, its log ${text.length}`);
  }
}

