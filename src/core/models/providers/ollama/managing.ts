import { ParleyError } from '../../../../base/errors.ts';
import { ReplyFault, replyErrorOf, toParleyError, toReplyError, wholePatience } from '../../wire/index.ts';
import type { Instance } from './instance.ts';

/** What can be done with a model that an instance has. */
export type ModelAction = 'load' | 'unload' | 'delete';

/** Most bytes read of an answer. */
const maxAnswerBytes = 65_536;

/** Requests by which Ollama does each: a question without a prompt loads, one that keeps for no time unloads. */
const requests: Record<ModelAction, { method: 'POST' | 'DELETE'; path: string; body: object }> = {
  load: { method: 'POST', path: '/api/generate', body: { stream: false } },
  unload: { method: 'POST', path: '/api/generate', body: { stream: false, keep_alive: 0 } },
  delete: { method: 'DELETE', path: '/api/delete', body: {} },
};

/**
 * Does something with a model of an instance, and looks at it afterwards. Resolves when it is so.
 * @throws {ParleyError} `model_not_found`, `unsupported_value`, `provider_unavailable`, `provider_error`, `provider_timeout`, `cancelled`
 */
export async function manage(instance: Instance, action: ModelAction, model: string, signal: AbortSignal, timeoutMs: number): Promise<void> {
  const { service } = instance;
  const { method, path, body } = requests[action];
  const end = instance.record.begin('management');
  try {
    const request = { ...instance.request(method, path, signal, JSON.stringify({ model, ...body })), timeoutMs: timeoutMs * wholePatience };
    const answer = await service.client.open(request);
    const text = await answer.body.text(maxAnswerBytes);
    if (answer.status !== 200) throw new ReplyFault(service.readError(answer.status, text, answer));
    end('well');
  } catch (thrown) {
    const error = thrown instanceof ParleyError ? thrown : toParleyError(toReplyError(thrown, service.label, service.host), thrown);
    end(replyErrorOf(error).serviceFault ? 'failed' : 'refused');
    throw error;
  }
  if (action === 'load') instance.memory.spoke(instance.nameOf(model));
  // It was done; what a look that fails now would say is seen at the next one.
  await instance.look().catch(() => null);
}
