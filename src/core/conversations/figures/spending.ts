import { sql } from 'kysely';
import { newId } from '../../../base/ids.ts';
import type { Log } from '../../../base/observability/index.ts';
import type { Storage, WriteQueries } from '../../../base/storage/index.ts';
import type { Viewer } from '../../accounts/index.ts';
import { estimateTokens, messageOverhead, tokensOfPicture, tokensOfSize, type Budgets, type Estimate, type Spender } from '../../budgets/index.ts';
import { assumedContext } from '../context.ts';
import type { TurnRequest } from '../turns/request.ts';

/** Messages of a path that are looked at for an estimate, newest first; longer conversations fill the context of most models. */
const mostLookedAt = 400;

/** Who pays for what this viewer asks. */
export function spenderOf(viewer: Viewer): Spender {
  return { userId: viewer.userId, role: viewer.role, apiKeyId: viewer.via === 'api-key' ? viewer.credentialId : null };
}

/**
 * Reserves for a call that is not a turn, in a transaction of its own.
 * @param estimate asked only when a budget may hold
 * @returns the id to settle it by; null when no budget holds
 * @throws {ParleyError} as `Budgets.reserve`
 */
export async function reserveCall({ storage, budgets }: { storage: Storage; budgets: Budgets }, spender: Spender, estimate: () => Estimate): Promise<string | null> {
  if (!(await budgets.mayApply(storage.read, spender))) return null;
  const id = newId();
  const asked = estimate();
  return (await storage.write((queries) => budgets.reserve(queries, spender, id, asked, 'call'))) ? id : null;
}

/** Gives back what a call reserved that will not be settled. */
export async function freeCall({ storage, budgets, log }: { storage: Storage; budgets: Budgets; log: Log }, reservation: string | null): Promise<void> {
  if (reservation === null) return;
  try {
    await storage.write((queries) => budgets.settle(queries, [{ reservation, usage: null, tokensSaid: 0 }]));
  } catch (error) {
    log.warn({ err: error }, 'a reservation of a budget could not be freed; it runs out when the server stops');
  }
}

/** A turn that is about to be stored. */
export interface AnswerToPay {
  /** Id of the answer. */
  id: string;
  /** The message it answers, stored already. */
  parentId: string | null;
  conversationId: string;
  spender: Spender;
  request: TurnRequest;
  /** `provider/model`; null when none will be asked. */
  model: string | null;
  /** Tokens; null when not known. */
  contextLength: number | null;
}

/** Reserves for a turn in the transaction that stores it. @throws {ParleyError} as `Budgets.reserve` */
export async function reserveAnswer(queries: WriteQueries, budgets: Budgets, answer: AnswerToPay): Promise<boolean> {
  const { id, parentId, model, spender, request } = answer;
  if (model === null || parentId === null || !(await budgets.mayApply(queries, spender))) return false;
  const settings = await queries.selectFrom('conversations').select(['system_prompt', 'persona', 'max_tokens']).where('id', '=', answer.conversationId).executeTakeFirstOrThrow();
  const instructions = request.instructions ?? `${settings.persona ?? ''}${settings.system_prompt ?? ''}`;
  const tools = request.tools && request.tools.length > 0 ? JSON.stringify(request.tools) : '';
  const said = await pathTokens(queries, parentId, request.continues);
  // What does not fit into the context is left out of the prompt.
  const tokensIn = Math.min(estimateTokens(instructions + tools) + said, answer.contextLength ?? assumedContext);
  return budgets.reserve(queries, spender, id, { model, tokensIn, tokensOut: request.sampling.maxTokens ?? settings.max_tokens }, 'turn');
}

/** Estimated tokens of the path that ends with this message, and of a text that the answer goes on with. */
async function pathTokens(queries: WriteQueries, messageId: string, continues: string | undefined): Promise<number> {
  const { rows } = await sql<{ messages: number | string; characters: number | string; bytes: number | string; pictures: number | string }>`
    with recursive path(id, parent_id, hop) as (
      select id, parent_id, 1 from messages where id = ${messageId}
      union all
      select parent.id, parent.parent_id, path.hop + 1
      from path join messages parent on parent.id = path.parent_id
      where path.hop < ${mostLookedAt}
    )
    select count(*) as messages,
      coalesce(sum(length(content) + coalesce(length(tools), 0)), 0) as characters,
      coalesce(sum(octet_length(content) + coalesce(octet_length(tools), 0)), 0) as bytes,
      (select count(*) from message_pictures where message_id in (select id from path)) as pictures
    from messages where id in (select id from path union all select ${continues ?? null})`.execute(queries);
  const { messages, characters, bytes, pictures } = rows[0]!;
  return tokensOfSize(Number(characters), Number(bytes)) + Number(messages) * messageOverhead + Number(pictures) * tokensOfPicture;
}
