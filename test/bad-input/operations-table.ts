import type { Entry } from './table.ts';

const base = { access: 'admin', localTrust: true } as const;
const at = (path: string) => (): string => path;
const backup = 'parley-20260101-000000-none.db';
/** PostgreSQL has backups of its own. */
const onFiles = (sqlite: number) => ({ sqlite, postgres: 501 });
const debug = { debug_level: 'off', components: ['ai', 'chat'], log_performance: true, trace_requests: true, duration_seconds: 60 };

/** What only administrators may do with a running server, without its older versions. The requests change nothing that others need. */
export const operations: Record<string, Entry> = {
  'POST /api/v4/config/debug': { ...base, path: at('/api/v4/config/debug'), body: debug, good: 200 },
  'GET /api/v4/config/debug': { ...base, path: at('/api/v4/config/debug'), good: 200 },
  'GET /api/v4/debug/traces': { ...base, path: at('/api/v4/debug/traces'), query: ['limit', 'component'], good: 200 },
  'GET /api/v4/debug/traces/:trace_id': { ...base, path: at('/api/v4/debug/traces/none'), good: 404 },
  'GET /api/v4/database': { ...base, path: at('/api/v4/database'), good: 200 },
  'GET /api/v4/database/jobs': { ...base, path: at('/api/v4/database/jobs'), query: ['limit'], good: 200 },
  'POST /api/v4/database/jobs': { ...base, path: at('/api/v4/database/jobs'), body: { work: 'analyze' }, good: 202 },
  'GET /api/v4/database/jobs/:job_id': { ...base, path: at('/api/v4/database/jobs/none'), good: 404 },
  'DELETE /api/v4/database/jobs/:job_id': { ...base, path: at('/api/v4/database/jobs/none'), good: 404 },
  'GET /api/v4/database/backups': { ...base, path: at('/api/v4/database/backups'), good: onFiles(200) },
  'GET /api/v4/database/backups/:backup': { ...base, path: at(`/api/v4/database/backups/${backup}`), good: onFiles(404) },
  'DELETE /api/v4/database/backups/:backup': { ...base, path: at(`/api/v4/database/backups/${backup}`), good: onFiles(404) },
  'GET /api/v4/database/restore': { ...base, path: at('/api/v4/database/restore'), good: onFiles(200) },
  'POST /api/v4/database/restore': { ...base, path: at('/api/v4/database/restore'), body: { backup }, good: onFiles(404) },
  'DELETE /api/v4/database/restore': { ...base, path: at('/api/v4/database/restore'), good: onFiles(404) },
  'GET /api/v4/management/modules': { ...base, path: at('/api/v4/management/modules'), good: 200 },
  'PUT /api/v4/management/modules/:module': { ...base, path: at('/api/v4/management/modules/storage'), body: { enabled: false }, good: 409 },
  'GET /api/v4/management/settings': { ...base, path: at('/api/v4/management/settings'), good: 200 },
  'PUT /api/v4/management/settings/:setting': { ...base, path: at('/api/v4/management/settings/AUTO_TITLES'), body: { value: 'first-message' }, good: 200 },
  'GET /api/v4/management/log-level': { ...base, path: at('/api/v4/management/log-level'), good: 200 },
  'PUT /api/v4/management/log-level': { ...base, path: at('/api/v4/management/log-level'), body: { level: 'silent' }, good: 200 },
  'GET /api/v4/management/restart': { ...base, path: at('/api/v4/management/restart'), good: 200 },
  'POST /api/v4/management/restart': { ...base, path: at('/api/v4/management/restart'), good: 409 },
  'GET /api/v4/management/audit': { ...base, path: at('/api/v4/management/audit'), query: ['limit', 'before'], good: 200 },
};
