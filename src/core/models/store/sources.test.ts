import { describe, expect, it } from 'vitest';
import { createSpeedometer } from './speed.ts';
import { parseSource, safeFileName } from './sources.ts';

describe('a source', () => {
  it('is an address, a file in the hub, or a quantisation of a repository', () => {
    expect(parseSource(' https://models.example/a/b/tiny.gguf?download=true#top ')).toMatchObject({
      kind: 'address',
      fileName: 'tiny.gguf',
    });
    expect(parseSource('hf:owner/Repo-GGUF/sub/tiny-Q4_K_M.gguf')).toEqual({
      kind: 'hub-file',
      repository: 'owner/Repo-GGUF',
      path: 'sub/tiny-Q4_K_M.gguf',
      fileName: 'tiny-Q4_K_M.gguf',
    });
    expect(parseSource('hf:owner/Repo-GGUF:Q4_K_M')).toEqual({
      kind: 'hub-quantisation',
      repository: 'owner/Repo-GGUF',
      quantisation: 'Q4_K_M',
    });
  });

  it.each([
    'tiny.gguf',
    'ftp://host/tiny.gguf',
    'file:///etc/tiny.gguf',
    'https://',
    'https://host/page.html',
    'https://user:secret@host/tiny.gguf',
    'https://host/%E0%A4%A.gguf',
    `https://host/${'a'.repeat(3000)}.gguf`,
    'hf:',
    'hf:owner',
    'hf:owner/repo',
    'hf:../repo/tiny.gguf',
    'hf:owner/..:Q4',
    'hf:owner/repo/../../tiny.gguf',
    'hf:owner/repo:Q4/../x',
    'hf:owner/repo/tiny.bin',
    'hf:ow ner/repo:Q4',
    '',
  ])('is refused when it is none: %s', (source) => {
    expect(() => parseSource(source)).toThrow(expect.objectContaining({ code: 'invalid_request', parameter: 'source' }));
  });

  it.each([
    ['https://host/..%2f..%2fetc%2fpasswd.gguf', 'passwd.gguf'],
    ['https://host/a%5C..%5Cevil.gguf', 'evil.gguf'],
    ['https://host/.hidden.gguf', 'hidden.gguf'],
    ['https://host/two%20words%00%3A%2a.gguf', 'two words___.gguf'],
    ['https://host/modèle-é.GGUF', 'modèle-é.GGUF'],
  ])('never names a file outside the folder: %s', (source, fileName) => {
    expect(parseSource(source)).toMatchObject({ fileName });
  });

  it.each(['..', '.gguf', '...gguf', 'con.gguf', 'LPT1.gguf', `${'a'.repeat(300)}.gguf`, 'a.gguf/'])('has no file name in %s', (name) => {
    expect(() => safeFileName(name)).toThrow();
  });
});

describe('the speed', () => {
  it('is that of the last seconds', () => {
    let now = 0;
    const speed = createSpeedometer({ now: () => now, monotonic: () => now });
    speed.add(1000);
    expect(speed.bytesPerSecond()).toBeNull();
    for (let second = 0; second < 10; second += 0.1) {
      now += 100;
      speed.add(100);
    }
    expect(speed.bytesPerSecond()).toBe(1000);
    for (let second = 0; second < 10; second += 0.1) {
      now += 100;
      speed.add(500);
    }
    expect(speed.bytesPerSecond()).toBe(5000);
    now += 10_000;
    expect(speed.bytesPerSecond()).toBeLessThan(1500);
  });
});
