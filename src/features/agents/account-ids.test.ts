import { describe, expect, it } from 'vitest';
import { accountId, checksumOf } from './account-ids.ts';

describe('Account ids', () => {
  it.each([
    ['0.0.6154098', '0.0.6154098'], ['0.0.6153500', '0.0.6153500'], ['0.0.6154098-vfqyo', '0.0.6154098'], ['0.0.6153500-oxqcx', '0.0.6153500'], ['0.0.123-vfmkw', '0.0.123'],
    ['0.0.0', '0.0.0'], ['9223372036854775807.0.1', '9223372036854775807.0.1'],
  ])('%s is %s', (text, id) => {
    expect(accountId(text)).toBe(id);
  });

  it.each([
    '6154098', '0.6154098', 'agent1', '0.0.-1', '00.0.01', '0.0.123-aaaaa', '0x000000000000000000000000000000000000000a', '', '0.0.1 ', '0.0.1\n', '0.0.123-VFMKW', '0.0.123-',
    '9223372036854775808.0.1', '0.0.99999999999999999999', '٠.٠.١', '0.0.1-vfmkw', '1e1.0.0',
  ])('%j is none', (text) => {
    expect(() => accountId(text)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('have the checksums of HIP-15', () => {
    expect([checksumOf('0.0.123', 0), checksumOf('0.0.6154098', 1), checksumOf('0.0.6153500', 1)]).toEqual(['vfmkw', 'vfqyo', 'oxqcx']);
  });
});
