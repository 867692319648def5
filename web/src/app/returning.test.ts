import { describe, expect, it } from 'vitest';
import { pathOf, readReturning } from './returning.ts';

describe('Where somebody goes after they have signed in', () => {
  it('is the page on which a program gets access, with its code', () => {
    expect(pathOf(readReturning({ to: 'device', user_code: 'WDJB-MJHT' }))).toBe('/device?user_code=WDJB-MJHT');
    expect(pathOf(readReturning({ to: 'device' }))).toBe('/device');
  });

  it.each([
    [{ to: 'https://elsewhere.example/' }], [{ to: '//elsewhere.example' }], [{ to: '/device' }], [{ to: 'javascript:alert(1)' }], [{ to: '__proto__' }], [{ to: 'constructor' }],
    [{ to: ['device'] }], [{ to: { device: 1 } }], [{}], [{ user_code: 'WDJB-MJHT' }],
  ])('is never what an address names itself: %j', (search) => {
    expect(pathOf(readReturning(search))).toBe('/');
  });

  it.each([['../x'], ['A&next=//elsewhere'], ['A#B'], ['A'.repeat(41)], [''], [7], ['Ä']])('takes no code that is none: %j', (code) => {
    expect(pathOf(readReturning({ to: 'device', user_code: code }))).toBe('/device');
  });
});
