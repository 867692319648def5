import { z } from 'zod';
import { isoTime } from '../../../base/clock.ts';
import { logLevels } from '../../../base/observability/index.ts';
import type { ModuleState, SettingState } from '../../../features/operations/index.ts';
import { text, viewerFrom, wholeNumber, type DialectScope } from '../../shared/index.ts';
import type { UltimateParts } from '../parts.ts';

const success = z.literal(true);
const moduleShapeOf = z.object({ name: z.string(), kind: z.string(), state: z.enum(['running', 'off', 'unavailable']), detail: z.string(), switchable: z.boolean() });
const settingShapeOf = z.object({
  name: z.string(), type: z.string(), meaning: z.string(), choices: z.array(z.string()), value: z.string().nullable().describe('Null for secrets'), default: z.string().nullable(), is_set: z.boolean(),
  source: z.enum(['default', 'environment', 'run-time']), changeable: z.boolean().describe('While the server runs; all others are read when it starts'),
});
const levelAnswer = z.object({ success, level: z.enum(logLevels), source: settingShapeOf.shape.source });
const restartAnswer = z.object({ success, possible: z.boolean(), how: z.string() });
const auditShapeOf = z.object({
  id: z.string(), at: z.string(), user_id: z.string().nullable(), username: z.string(), via: z.string(), action: z.string(), outcome: z.string(), details: z.record(z.string(), z.unknown()),
});

/** Additions: what runs, with which settings, and who has changed it. */
export function registerManagement(scope: DialectScope, parts: UltimateParts): void {
  const { operations } = parts;
  scope.get('/api/v4/management/modules', { schema: { summary: 'Addition: the parts of the server and their state', response: { 200: z.object({ success, modules: z.array(moduleShapeOf) }) } } }, async (request) =>
    ({ success: true as const, modules: (await operations.modules(viewerFrom(request))).map(moduleShape) }));
  scope.put(
    '/api/v4/management/modules/:module',
    { schema: { summary: 'Addition: switches a part off or on, on all instances', params: z.object({ module: text({ min: 1, max: 100 }) }), body: z.object({ enabled: z.boolean() }), response: { 200: z.object({ success, module: moduleShapeOf }) } } },
    async (request) => ({ success: true as const, module: moduleShape(await operations.switchModule(viewerFrom(request), request.params.module, request.body.enabled)) }),
  );
  registerSettings(scope, parts);
  scope.get('/api/v4/management/restart', { schema: { summary: 'Addition: whether the server can be started again over the network', response: { 200: restartAnswer } } }, async (request) => {
    const { isPossible, how } = operations.restarting(viewerFrom(request));
    return { success: true as const, possible: isPossible, how };
  });
  scope.post('/api/v4/management/restart', { schema: { summary: 'Addition: lets running answers end, and starts this instance again', response: { 202: z.object({ success, instance: z.string() }) } } }, async (request, reply) => {
    await operations.restart(viewerFrom(request));
    return reply.code(202).send({ success: true as const, instance: operations.instanceId });
  });
  const auditQuery = z.object({ limit: wholeNumber({ min: 1, max: 1000, fallback: 100 }), before: text({ min: 1, max: 100 }).optional() });
  scope.get('/api/v4/management/audit', { schema: { summary: 'Addition: what administrators did, newest first', querystring: auditQuery, response: { 200: z.object({ success, entries: z.array(auditShapeOf) }) } } }, async (request) => {
    const { limit, before } = request.query;
    const entries = await operations.audit(viewerFrom(request), { limit, ...(before === undefined ? {} : { before }) });
    return { success: true as const, entries: entries.map(({ at, userId, ...entry }) => ({ ...entry, at: isoTime(at), user_id: userId })) };
  });
}

function registerSettings(scope: DialectScope, { operations }: UltimateParts): void {
  scope.get('/api/v4/management/settings', { schema: { summary: 'Addition: every setting of this process', response: { 200: z.object({ success, settings: z.array(settingShapeOf) }) } } }, async (request) =>
    ({ success: true as const, settings: operations.settings(viewerFrom(request)).map(settingShape) }));
  const value = z.union([text({ max: 1000 }), z.number(), z.boolean()]).nullable().describe('Null: that of the start');
  scope.put(
    '/api/v4/management/settings/:setting',
    { schema: { summary: 'Addition: changes a setting while the server runs, on all instances', params: z.object({ setting: text({ min: 1, max: 100 }) }), body: z.object({ value }), response: { 200: z.object({ success, setting: settingShapeOf }) } } },
    async (request) => {
      const { value: wanted } = request.body;
      return { success: true as const, setting: settingShape(await operations.changeSetting(viewerFrom(request), request.params.setting, wanted === null ? null : String(wanted))) };
    },
  );
  const levelShape = ({ value: level, source }: SettingState): z.output<typeof levelAnswer> => ({ success: true, level: level as (typeof logLevels)[number], source });
  scope.get('/api/v4/management/log-level', { schema: { summary: 'Addition: what is logged where nothing else is said', response: { 200: levelAnswer } } }, async (request) =>
    levelShape(operations.settings(viewerFrom(request)).find(({ name }) => name === 'LOG_LEVEL')!));
  scope.put('/api/v4/management/log-level', { schema: { summary: 'Addition: the same as the setting LOG_LEVEL', body: z.object({ level: z.enum(logLevels).nullable() }), response: { 200: levelAnswer } } }, async (request) =>
    levelShape(await operations.changeSetting(viewerFrom(request), 'LOG_LEVEL', request.body.level)));
}

function moduleShape({ isSwitchable, ...module }: ModuleState): z.output<typeof moduleShapeOf> {
  return { ...module, switchable: isSwitchable };
}

function settingShape({ isSet, isChangeable, choices, ...setting }: SettingState): z.output<typeof settingShapeOf> {
  return { ...setting, choices: [...choices], is_set: isSet, changeable: isChangeable };
}
