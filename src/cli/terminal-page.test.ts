import { describe, expect, it } from 'vitest';
import { addressOf, modelLines, startLines, type ProviderReport } from './terminal-page.ts';

const started = { version: '1.2.3', addresses: [{ host: '127.0.0.1', port: 8080 }], ollama: null, dataDir: '/data', readyInMs: 840, setupCode: null, localTrustOff: null };
const ready: ProviderReport = {
  id: 'llama', state: 'ready', detail: 'Two models.', howToAdd: '',
  models: ['one', 'two'].map((model) => ({ id: `llama/${model}`, provider: 'llama', model, label: model, kinds: ['chat'], location: 'local', contextLength: 4096, sizeBytes: 1_200_000_000, createdAt: null })),
};
const absent: ProviderReport = { id: 'ollama', state: 'absent', detail: 'Ollama does not run.', howToAdd: 'Start it.', models: [] };

describe('The terminal page', () => {
  it('begins with the address, and what it needs to get in', () => {
    expect(startLines(started)).toBe(`
  Parley 1.2.3 is ready (0.8 s)

  Open the page     http://localhost:8080
  OpenAI clients    http://localhost:8080/v1   (any key, from this machine)
  API reference     http://localhost:8080/docs
  Data              /data
`);
  });

  it('names all ports, and says how to get in where nobody is trusted', () => {
    const text = startLines({ ...started, addresses: [...started.addresses, { host: '127.0.0.1', port: 4001 }], setupCode: 'ABCD-1234', localTrustOff: 'LOCAL_TRUST is off' });
    expect(text).toContain('Also at           http://localhost:4001');
    expect(text).toContain('(with a key: parley key create NAME)');
    expect(text).toContain('Set-up code       ABCD-1234');
    expect(text).toContain('Requests need credentials: LOCAL_TRUST is off.');
  });

  it('names the address for clients of Ollama where it is on, and says why it is not', () => {
    const address = { host: '127.0.0.1', port: 11434 };
    expect(startLines({ ...started, ollama: { address, problem: null } })).toContain('Ollama clients    http://localhost:11434\n');
    const text = startLines({ ...started, ollama: { address: undefined, problem: 'Port 11434 on 127.0.0.1 is taken by another program.' } });
    expect(text).toContain('Ollama clients    not served (everything else is)\n                    Port 11434 on 127.0.0.1 is taken');
  });

  it.each([
    ['127.0.0.1', 'http://localhost:80'],
    ['0.0.0.0', 'http://localhost:80'],
    ['::1', 'http://localhost:80'],
    ['192.168.1.5', 'http://192.168.1.5:80'],
    ['fd00::1', 'http://[fd00::1]:80'],
  ])('writes %s as people type it', (host, address) => {
    expect(addressOf({ host, port: 80 })).toBe(address);
  });

  it('says which models were found, which were not, and how to add those', () => {
    expect(modelLines([ready, absent], 'llama/one')).toBe(`  Models
  + llama   one (1.2 GB), two (1.2 GB)
  - ollama  Ollama does not run.
            Start it.

  Answers come from llama/one unless a chat says otherwise.

  Ctrl-C stops the server.
`);
  });

  it('says so when no language model answers', () => {
    expect(modelLines([absent], 'builtin/parley')).toContain('That is no language model');
    expect(modelLines([absent], null)).toContain('No model answers yet.');
  });
});
