import { ParleyError } from '../../../base/errors.ts';
import { isId } from '../../../base/ids.ts';
import type { ParticipantsTable, WriteQueries } from '../../../base/storage/index.ts';
import { isUsername, usernameKey, type Viewer } from '../../accounts/index.ts';
import { lockConversation, openConversation, type AccessRow, type Permission } from '../access.ts';
import type { ConversationParts } from '../parts.ts';
import { participantRow, participantRows, toParticipant } from './participants.ts';
import { listPublic } from './public-list.ts';
import { tellRemoved } from './removals.ts';
import { insertParticipant, nextConversationNumber } from '../statements.ts';
import type { Conversations } from '../contract.ts';
import type { Participant, ParticipantChanges } from '../types.ts';

/** Most people in one conversation. */
export const mostParticipants = 1000;
/** In a direct one. */
const mostInDirect = 2;

type Parts = Pick<ConversationParts, 'storage' | 'bus'>;
type Row = ParticipantsTable & { username: string };

/** Takes part in a public group or channel; who takes part already is answered the same. */
export async function joinConversation(parts: Parts, viewer: Viewer, conversationId: string): Promise<Participant> {
  const now = await parts.storage.now();
  return change(parts, viewer, conversationId, 'join', async (queries, conversation) => addMember(queries, conversation, viewer.userId, now));
}

/** Brings somebody in, by name. Who takes part already is answered the same. */
export async function inviteParticipant(parts: Parts, viewer: Viewer, conversationId: string, username: string): Promise<Participant> {
  const now = await parts.storage.now();
  return change(parts, viewer, conversationId, 'manage', async (queries, conversation) => {
    const user = isUsername(username)
      ? await queries.selectFrom('users').select(['id', 'disabled_at']).where('username_key', '=', usernameKey(username)).executeTakeFirst()
      : undefined;
    if (!user || user.disabled_at !== null) throw new ParleyError('not_found', { message: 'There is no such user.' });
    await addMember(queries, conversation, user.id, now);
    return user.id;
  });
}

/** Gives another role or other permissions. Role OWNER hands the conversation over; the owner so far becomes an admin. */
export async function changeParticipant(parts: Parts, viewer: Viewer, conversationId: string, userId: string, changes: ParticipantChanges): Promise<Participant> {
  return change(parts, viewer, conversationId, changes.role === 'OWNER' ? 'own' : 'read', async (queries, conversation) => {
    // Admins may step down; everything else is done by those who manage the conversation.
    const stepsDown = userId === viewer.userId && conversation.viewer_role === 'ADMIN' && changes.role === 'MEMBER' && changes.canSendMessages === undefined && changes.canUploadFiles === undefined;
    if (!stepsDown && conversation.viewer_role === 'MEMBER') throw new ParleyError('forbidden', { message: 'Only the owner and admins of this chat can do this' });
    const target = await memberOf(queries, conversationId, userId);
    await write(queries, conversation, target, stepsDown ? { role: 'MEMBER' } : allowed(conversation, target, changes));
    return userId;
  });
}

/** Takes somebody out; oneself like `leaveConversation`. */
export async function removeParticipant(parts: Parts, viewer: Viewer, conversationId: string, userId: string): Promise<void> {
  if (userId === viewer.userId) return leaveConversation(parts, viewer, conversationId);
  await takeOut(parts, viewer, conversationId, 'manage', userId, (target, conversation) => {
    if (target.role === 'OWNER' || (target.role === 'ADMIN' && conversation.viewer_role !== 'OWNER')) {
      throw new ParleyError('forbidden', { message: target.role === 'OWNER' ? 'The owner of a chat cannot be removed.' : 'Only the owner of this chat can remove an admin.' });
    }
  });
}

/** Ends the viewer's own part. The owner hands the conversation over first. */
export async function leaveConversation(parts: Parts, viewer: Viewer, conversationId: string): Promise<void> {
  await takeOut(parts, viewer, conversationId, 'read', viewer.userId, (target) => {
    if (target.role === 'OWNER') throw new ParleyError('conflict', { message: 'The owner cannot leave. Hand the chat over first, or delete it.' });
  });
}

/** One change of the people in a conversation: all of them wait for each other, so that bounds and roles hold. */
async function change(
  { storage, bus }: Parts,
  viewer: Viewer,
  conversationId: string,
  permission: Permission,
  work: (queries: WriteQueries, conversation: AccessRow) => Promise<string>,
): Promise<Participant> {
  const row = await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversationId);
    const conversation = await openConversation(queries, viewer, conversationId, permission);
    return memberOf(queries, conversationId, await work(queries, conversation));
  });
  bus.publish(`conversation:${conversationId}`, { type: 'participants' });
  return toParticipant(row);
}

async function takeOut(
  { storage, bus }: Parts,
  viewer: Viewer,
  conversationId: string,
  permission: Permission,
  userId: string,
  check: (target: Row, conversation: AccessRow) => void,
): Promise<void> {
  await storage.write(async (queries) => {
    await lockConversation(storage, queries, conversationId);
    const conversation = await openConversation(queries, viewer, conversationId, permission);
    check(await memberOf(queries, conversationId, userId), conversation);
    await queries.deleteFrom('participants').where('conversation_id', '=', conversationId).where('user_id', '=', userId).execute();
    // Dialects that have only one conversation at a time begin another one.
    await queries.updateTable('users').set({ current_conversation_id: null }).where('id', '=', userId).where('current_conversation_id', '=', conversationId).execute();
  });
  bus.publish(`conversation:${conversationId}`, { type: 'participants' });
  tellRemoved(bus, conversationId, userId);
}

/** @throws {ParleyError} `not_found` */
async function memberOf(queries: WriteQueries, conversationId: string, userId: string): Promise<Row> {
  const row = isId(userId) ? await participantRows(queries, conversationId).where('participants.user_id', '=', userId).executeTakeFirst() : undefined;
  if (!row) throw new ParleyError('not_found', { message: 'This user takes no part in the chat.' });
  return row;
}

async function addMember(queries: WriteQueries, conversation: AccessRow, userId: string, now: number): Promise<string> {
  const there = await queries.selectFrom('participants').select('user_id').where('conversation_id', '=', conversation.id).where('user_id', '=', userId).executeTakeFirst();
  if (there) return userId;
  const most = conversation.type === 'DIRECT' ? mostInDirect : mostParticipants;
  if (Number(conversation.participant_count) >= most) {
    throw new ParleyError('conflict', { message: conversation.type === 'DIRECT' ? 'A direct chat is for two people at most.' : `A chat has at most ${mostParticipants} participants.` });
  }
  const row = participantRow(conversation.id, userId, 'MEMBER', now);
  await insertParticipant.run(queries, { ...row, can_send_messages: maySendAs(conversation, 'MEMBER') });
  return userId;
}

/** Whether somebody of this role may send unless told otherwise: in a channel only those who run it. */
function maySendAs(conversation: Pick<AccessRow, 'type'>, role: ParticipantsTable['role']): 0 | 1 {
  return conversation.type === 'CHANNEL' && role === 'MEMBER' ? 0 : 1;
}

/** The changes, if this viewer may make them. @throws {ParleyError} `forbidden`, `conflict` */
function allowed(conversation: AccessRow, target: Row, changes: ParticipantChanges): ParticipantChanges {
  const becomes = changes.role ?? target.role;
  if (conversation.viewer_role !== 'OWNER') {
    if (target.role !== 'MEMBER') throw new ParleyError('forbidden', { message: 'Only the owner of this chat can change the owner and admins.' });
    if (becomes !== 'MEMBER') throw new ParleyError('forbidden', { message: 'Only the owner of this chat can change roles.' });
  }
  if (target.role === 'OWNER' && becomes !== 'OWNER') {
    throw new ParleyError('conflict', { message: 'A chat needs an owner, who hands it over by giving somebody else the role OWNER.' });
  }
  if (becomes === 'OWNER' && (changes.canSendMessages === false || changes.canUploadFiles === false)) {
    throw new ParleyError('conflict', { message: 'The owner of a chat may always send and upload.' });
  }
  return changes;
}

async function write(queries: WriteQueries, conversation: AccessRow, target: Row, changes: ParticipantChanges): Promise<void> {
  const role = changes.role ?? target.role;
  const isNewRole = role !== target.role;
  if (isNewRole && role === 'OWNER') await handOver(queries, conversation, target);
  const send = changes.canSendMessages === undefined ? (isNewRole ? maySendAs(conversation, role) : target.can_send_messages) : Number(changes.canSendMessages);
  const upload = changes.canUploadFiles === undefined ? (role === 'OWNER' ? 1 : target.can_upload_files) : Number(changes.canUploadFiles);
  await queries
    .updateTable('participants')
    .set({ role, can_send_messages: send, can_upload_files: upload })
    .where('conversation_id', '=', conversation.id)
    .where('user_id', '=', target.user_id)
    .execute();
}

/** Makes somebody the owner: the conversation gets a number among theirs, and who had it stays as an admin. */
async function handOver(queries: WriteQueries, conversation: AccessRow, to: Row): Promise<void> {
  const user = await queries.selectFrom('users').select('disabled_at').where('id', '=', to.user_id).executeTakeFirstOrThrow();
  if (user.disabled_at !== null) throw new ParleyError('conflict', { message: 'This account is disabled: it cannot own a chat.' });
  const { last_conversation_number: number } = (await nextConversationNumber.first(queries, { id: to.user_id }))!;
  await queries.updateTable('participants').set({ role: 'ADMIN' }).where('conversation_id', '=', conversation.id).where('user_id', '=', conversation.owner_id).execute();
  await queries.updateTable('conversations').set({ owner_id: to.user_id, number }).where('id', '=', conversation.id).execute();
}

/** What people do about taking part. */
export function createMembers(parts: ConversationParts): Pick<Conversations, 'listPublic' | 'join' | 'leave' | 'invite' | 'changeParticipant' | 'removeParticipant'> {
  return {
    listPublic: (...given) => listPublic(parts, ...given),
    join: (...given) => joinConversation(parts, ...given),
    leave: (...given) => leaveConversation(parts, ...given),
    invite: (...given) => inviteParticipant(parts, ...given),
    changeParticipant: (...given) => changeParticipant(parts, ...given),
    removeParticipant: (...given) => removeParticipant(parts, ...given),
  };
}
