import { describe, expect, it } from 'vitest';
import { fill } from './templates.ts';

describe('The prompt of a stage', () => {
  it('is filled in once: a text that looks like a template is just a text', () => {
    expect(fill('{{input}} of {{ original }}, {{stage.one}}', { input: '{{original}}', original: '{{stage.one}}', stages: new Map([['one', '$& {{input}}']]) })).toBe('{{original}} of {{stage.one}}, $& {{input}}');
  });

  it('that names a long text very often is refused, and never made', () => {
    const often = '{{input}}'.repeat(2000);
    const before = process.memoryUsage().heapUsed;
    expect(() => fill(often, { input: 'x'.repeat(200_000), original: '', stages: new Map() })).toThrow(expect.objectContaining({ code: 'too_large' }));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
    expect(fill(often, { input: 'x'.repeat(400), original: '', stages: new Map() })).toHaveLength(800_000);
  });
});
