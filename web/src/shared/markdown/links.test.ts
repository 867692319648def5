import { expect, it } from 'vitest';
import { safeLink } from './links.ts';

it.each(['https://example.org/a?b#c', 'http://127.0.0.1:1/', 'mailto:a@example.org', '#footnote'])('links to %s', (address) => {
  expect(safeLink(address)).toBe(address);
});

it.each(['javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', '/api/v1/chat/chats', '../x', '//example.org', '', undefined])('does not link to %s', (address) => {
  expect(safeLink(address)).toBeNull();
});
