import { describe, expect, it } from 'vitest';
import { createCredentialCache, type KnownCredential } from './credential-cache.ts';

const credential = (credentialId: string, userId = 'ada'): KnownCredential => ({
  kind: 'token', credentialId, userId, cookieViewer: null, expiresAt: null, csrfToken: null, lastUsedAt: null,
  viewer: { userId, username: userId, role: 'user', scopes: [], via: 'token', credentialId, expiresAt: null },
});

function cacheWith(ids: string[], capacity = 10) {
  const clock = { now: 0 };
  const cache = createCredentialCache(() => clock.now, capacity, 10_000);
  for (const id of ids) cache.add(`digest-${id}`, credential(id, id === 'c' ? 'bob' : 'ada'), cache.generation);
  return { cache, clock, known: () => ids.filter((id) => cache.get(`digest-${id}`) !== null) };
}

describe('credentials seen lately', () => {
  it('are known until their rows have to be read again', () => {
    const { clock, known } = cacheWith(['a', 'b']);
    clock.now = 9_999;
    expect(known()).toEqual(['a', 'b']);
    clock.now = 10_000;
    expect(known()).toEqual([]);
  });

  it('are forgotten one by one or by user', () => {
    const { cache, known } = cacheWith(['a', 'b', 'c', 'd']);
    cache.forgetCredential('a');
    expect(known()).toEqual(['b', 'c', 'd']);
    cache.forgetUser('ada');
    expect(known()).toEqual(['c']);
  });

  it('are not kept when something was revoked while their rows were being read', () => {
    const { cache } = cacheWith([]);
    const { generation } = cache;
    cache.forgetUser('ada');
    cache.add('digest-a', credential('a'), generation);
    expect(cache.get('digest-a')).toBeNull();
    cache.add('digest-a', credential('a'), cache.generation);
    expect(cache.get('digest-a')).not.toBeNull();
  });

  it('are bounded: the one not used for the longest time goes first', () => {
    const { cache, known } = cacheWith(['a', 'b', 'c'], 3);
    cache.get('digest-a');
    cache.add('digest-d', credential('d'), cache.generation);
    expect(known()).toEqual(['a', 'c']);
    expect(cache.get('digest-d')).not.toBeNull();
  });
});
