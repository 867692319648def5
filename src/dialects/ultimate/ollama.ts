import { isoTime } from '../../base/clock.ts';
import { mayAdminister } from '../../core/accounts/index.ts';
import type { OllamaPull, OllamaStatus } from '../../core/models/index.ts';
import { goneSignal, requireAdmin, viewerFrom, type DialectScope } from '../shared/index.ts';
import type { z } from 'zod';
import type { Audience } from './audience.ts';
import { cancelledAnswer, manageAnswer, ollamaStatus, pullAnswer, pullPath, pullRequest } from './ollama-schemas.ts';
import type { UltimateParts } from './parts.ts';
import { seconds } from './shapes.ts';
import { everyVersion } from './versions.ts';

/** How the instances of Ollama are. */
export function registerOllamaStatus(scope: DialectScope, { ollama }: UltimateParts): void {
  everyVersion('/api/v4/ai/ollama/status', (url, hide) => {
    scope.get(url, { schema: { hide, summary: 'How the instances of Ollama are, and how requests are shared among them', response: { 200: ollamaStatus } } }, async () => statusShape(await ollama.status()));
  });
}

/** Fetching models: for administrators whose credential has the permission. */
export function registerOllamaPulls(scope: DialectScope, { ollama }: UltimateParts): void {
  everyVersion('/api/v4/ai/ollama/models/pull', (url, hide) => {
    scope.post(
      url,
      {
        schema: {
          hide, summary: 'Makes instances of Ollama fetch a model; answers when it is there',
          description: 'The download goes on when the client goes away; the same request asked again joins it.', body: pullRequest, response: { 200: pullAnswer },
        },
      },
      async (request, reply) => {
        const viewer = viewerFrom(request);
        requireAdmin(viewer);
        request.streams = true;
        const { model, instance_id: instanceId } = request.body;
        return pullShape(model, (await ollama.pull(viewer.userId, model, instanceId ?? null, goneSignal(reply))).pulls);
      },
    );
  });
  everyVersion('/api/v4/ai/ollama/models/pulls/:pull_id', (url, hide) => {
    scope.delete(url, { schema: { hide, summary: 'Ends a download; the instance keeps what has come', params: pullPath, response: { 200: cancelledAnswer } } }, async (request) => {
      requireAdmin(viewerFrom(request));
      const { id, model, instanceId, state } = await ollama.cancel(request.params.pull_id);
      return { success: true as const, id, model, instance_id: instanceId, state };
    });
  });
}

/** What administrators can do with models beside fetching them, each with its address. */
const actions = [['load', 'Loads a model into the memory of instances'], ['unload', 'Takes a model out of the memory of instances'], ['delete', 'Deletes a model from instances']] as const;

/** Loading, unloading and deleting models: additions, for administrators. */
export function registerOllamaModels(scope: DialectScope, { ollama }: UltimateParts): void {
  for (const [action, summary] of actions) {
    everyVersion(`/api/v4/ai/ollama/models/${action}`, (url, hide) => {
      scope.post(url, { schema: { hide, summary, body: pullRequest, response: { 200: manageAnswer } } }, async (request, reply) => {
        requireAdmin(viewerFrom(request));
        request.streams = true;
        const { model, instance_id: instanceId } = request.body;
        const outcome = [...(await ollama.manage(action, model, instanceId ?? null, goneSignal(reply)))];
        const errors = outcome.flatMap(([id, error]) => (error === null ? [] : [[id, error] as const]));
        return {
          success: errors.length === 0, model, instance_results: Object.fromEntries(outcome.map(([id, error]) => [id, error === null])),
          ...(errors.length === 0 ? {} : { errors: Object.fromEntries(errors) }),
        };
      });
    });
  }
}

/** Tells sockets what happens on the instances; ends with what is returned. */
export function tellOfOllama({ ollama }: Pick<UltimateParts, 'ollama'>, audience: Audience): () => void {
  const stopLoaded = ollama.onLoaded((model, instanceId) => {
    audience.tell('ollama_model_loaded', { model_name: model, instance_id: instanceId }, ({ scopes }) => scopes.includes('read'));
  });
  const stopPulls = ollama.onPull((pull) => {
    audience.tell('ollama_pull_progress', progressShape(pull), (viewer) => mayAdminister(viewer) && viewer.scopes.includes('admin'));
  });
  return () => {
    stopLoaded();
    stopPulls();
  };
}

function statusShape({ instances, pulls }: OllamaStatus): z.output<typeof ollamaStatus> {
  const up = instances.filter(({ state }) => state !== 'unreachable');
  const total = instances.reduce((sum, instance) => sum + instance.total, 0);
  const succeeded = instances.reduce((sum, instance) => sum + instance.succeeded, 0);
  return {
    instances_available: up.length,
    active_connections: up.length,
    cloud_compute_instances: up.filter(({ isLocal }) => !isLocal).length,
    total_operations: total,
    instance_details: instances.map((instance) => ({
      instance_id: instance.id,
      status: instance.state,
      health_score: instance.healthScore,
      active_connections: instance.running,
      total_requests: instance.total,
      failed_requests: instance.failed,
      avg_response_time: seconds(instance.meanMs),
      available_models: [...instance.models],
      loaded_models: instance.loaded === null ? null : [...instance.loaded],
      last_health_check: instance.probedAt === null ? null : isoTime(instance.probedAt),
    })),
    load_balancing: { strategy: 'response_time', total_requests: total, successful_requests: succeeded, success_rate: total === 0 ? null : succeeded / total },
    pulls: pulls.map(({ id, model, instanceId, state, progress, status }) => ({ id, model, instance_id: instanceId, state: state === 'waiting' ? state : ('running' as const), progress, status })),
  };
}

function pullShape(model: string, pulls: readonly OllamaPull[]): z.output<typeof pullAnswer> {
  const errors = pulls.flatMap(({ instanceId, state, error }) => (state === 'done' ? [] : [[instanceId, error ?? 'The download was stopped.'] as const]));
  return {
    success: errors.length === 0,
    model,
    instance_results: Object.fromEntries(pulls.map(({ instanceId, state }) => [instanceId, state === 'done'])),
    download_progress: Object.fromEntries(pulls.map(({ instanceId, progress }) => [`${instanceId}:${model}`, progress])),
    ...(errors.length === 0 ? {} : { errors: Object.fromEntries(errors) }),
  };
}

function progressShape({ id, model, instanceId, state, progress, status, completedBytes, totalBytes, error }: OllamaPull): Record<string, unknown> {
  return { id, model_name: model, instance_id: instanceId, state, progress, status, completed_bytes: completedBytes, total_bytes: totalBytes, error };
}
