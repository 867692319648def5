import { expect, test } from 'vitest';
import { parseAddress } from './address.ts';

test.each([
  ['http://127.0.0.1:8000/v1/', { origin: 'http://127.0.0.1:8000', path: '/v1', host: '127.0.0.1:8000', isLoopback: true }],
  ['http://localhost:11434', { origin: 'http://localhost:11434', path: '', host: 'localhost:11434', isLoopback: true }],
  ['http://[::1]:11434', { origin: 'http://[::1]:11434', path: '', host: '[::1]:11434', isLoopback: true }],
  ['https://api.openai.com/v1', { origin: 'https://api.openai.com', path: '/v1', host: 'api.openai.com', isLoopback: false }],
  ['http://127.0.0.1.example.org', { origin: 'http://127.0.0.1.example.org', path: '', host: '127.0.0.1.example.org', isLoopback: false }],
])('reads %s', (url, expected) => {
  expect(parseAddress(url)).toEqual(expected);
});

test('refuses what is no address of a service, without repeating a password', () => {
  for (const url of ['127.0.0.1:8000', 'ftp://host', '', 'file:///etc/passwd']) expect(() => parseAddress(url)).toThrow(/must be an http or https URL/);
  expect(() => parseAddress('http://me:hush@host/v1')).toThrow(/^(?!.*hush).*user name or password/);
});
