import { queryOptions } from '@tanstack/react-query';
import { request } from '../../shared/api/index.ts';
import { readTrustedKeys, type TrustedKeys, type Verification } from './verifier.ts';

const base = '/api/agent-chat/ledger';

/** The public keys of this server, fetched once when the page is opened. */
export const keysQuery = queryOptions({
  queryKey: ['ledger-keys'],
  queryFn: async (): Promise<TrustedKeys> => readTrustedKeys(JSON.stringify(await request<unknown>('GET', `${base}/keys`, { isSignIn: true }))),
  staleTime: Infinity,
  retry: false,
});

/** Where a browser has no cryptography: the server checks, with its own keys. The file leaves this browser. */
export async function checkOnServer(file: string, witness: string | null, against: string | null): Promise<Verification> {
  const body = { file, ...(witness === null ? {} : { witness }), ...(against === null ? {} : { against }) };
  return (await request<{ data: Verification }>('POST', `${base}/check`, { body, timeoutMs: 60_000 })).data;
}
