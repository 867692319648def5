import type { ModelInfo, ProviderState } from '../core/models/index.ts';
import { formatBytes } from './output.ts';

/** What the terminal shows of a server that has just started. */
export interface StartReport {
  version: string;
  addresses: { host: string; port: number }[];
  /** Where Ollama's API is served, or why it is not though it should be; null when it is switched off. */
  ollama: { address: { host: string; port: number } | undefined; problem: string | null } | null;
  dataDir: string;
  /** Milliseconds from the start of the process to open ports. */
  readyInMs: number;
  /** Printed while the owner is unclaimed and this machine is not trusted by itself. */
  setupCode: string | null;
  /** Why local trust is off; null when it is on. */
  localTrustOff: string | null;
}

/** The first lines: where the page is, and what is needed to get in. */
export function startLines(report: StartReport): string {
  const [first, ...more] = report.addresses.map(addressOf);
  const credentials = report.localTrustOff === null ? 'any key, from this machine' : 'with a key: parley key create NAME';
  const lines = [
    '',
    `  Parley ${report.version} is ready (${(report.readyInMs / 1000).toFixed(1)} s)`,
    '',
    `  Open the page     ${first}`,
    `  OpenAI clients    ${first}/v1   (${credentials})`,
    ...ollamaLines(report.ollama),
    `  API reference     ${first}/docs`,
    ...more.map((address) => `  Also at           ${address}`),
    `  Data              ${report.dataDir}`,
    '',
  ];
  if (report.localTrustOff !== null) {
    lines.push(`  Requests need credentials: ${report.localTrustOff}.`, '');
  }
  if (report.setupCode !== null) {
    lines.push(`  Set-up code       ${report.setupCode}`, '  Whoever registers first with this code owns this server.', '');
  }
  return lines.join('\n');
}

function ollamaLines(ollama: StartReport['ollama']): string[] {
  if (ollama === null) return [];
  if (ollama.address) return [`  Ollama clients    ${addressOf(ollama.address)}`];
  return ['  Ollama clients    not served (everything else is)', ...(ollama.problem === null ? [] : [`                    ${ollama.problem}`])];
}

/** A provider as the registry reports it. */
export type ProviderReport = ProviderState & { id: string; models: ModelInfo[] };

/** Most models named on one line. */
const mostNamed = 4;

/** The lines about models: which were found, which were not, and how to add one. */
export function modelLines(providers: readonly ProviderReport[], defaultModel: string | null): string {
  const lines = ['  Models'];
  const width = Math.max(...providers.map((provider) => provider.id.length));
  for (const provider of providers) {
    const mark = { ready: '+', absent: '-', 'needs-key': '-', error: '!' }[provider.state];
    const names = provider.models.map((model) => model.model + (model.sizeBytes === null ? '' : ` (${formatBytes(model.sizeBytes)})`));
    const named = names.slice(0, mostNamed).join(', ') + (names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '');
    lines.push(`  ${mark} ${provider.id.padEnd(width)}  ${provider.state === 'ready' && named !== '' ? named : provider.detail}`);
    if (provider.state !== 'ready' && provider.howToAdd !== '') lines.push(`    ${' '.repeat(width)}  ${provider.howToAdd}`);
  }
  lines.push('', defaultModel === null ? '  No model answers yet.' : `  Answers come from ${defaultModel} unless a chat says otherwise.`);
  if (defaultModel?.startsWith('builtin/')) {
    lines.push('  That is no language model: it helps to set one up. `npx parley model pull` fetches one; the page offers it, too.');
  }
  lines.push('', '  Ctrl-C stops the server.', '');
  return lines.join('\n');
}

/** The address a person types for a bound port. */
export function addressOf({ host, port }: { host: string; port: number }): string {
  const name = host === '127.0.0.1' || host === '::1' || host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
