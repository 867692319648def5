import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the optional part in the clone. */
export const partFolder = fileURLToPath(new URL('../../../../../../parts/hedera', import.meta.url));

/** Whether it is installed, with what only tests need: `npm ci` in that folder does it. */
export const partInstalled = ['@hiero-ledger/sdk', '@hiero-ledger/proto', '@grpc/grpc-js'].every((name) => existsSync(join(partFolder, 'node_modules', name, 'package.json')));

/** A message of Protocol Buffers. */
export interface MessageType<Decoded> {
  decode(bytes: Uint8Array): Decoded;
  encode(value: object): { finish(): Uint8Array };
}

/** 64-bit numbers arrive as objects. */
interface Whole { toString(): string }
export interface WireAccount { shardNum: Whole; realmNum: Whole; accountNum: Whole }
export interface WireTime { seconds: Whole; nanos: number }
export interface WireTransactionId { accountID: WireAccount; transactionValidStart: WireTime }

export interface WireBody {
  transactionID: WireTransactionId;
  nodeAccountID: WireAccount;
  transactionValidDuration: { seconds: Whole };
  consensusSubmitMessage?: {
    topicID: { shardNum: Whole; realmNum: Whole; topicNum: Whole };
    message: Uint8Array;
    chunkInfo?: { initialTransactionID: WireTransactionId; total: number; number: number } | null;
  } | null;
}

/** What is used of @hiero-ledger/proto. */
export interface Wire {
  Transaction: MessageType<{ signedTransactionBytes: Uint8Array }>;
  SignedTransaction: MessageType<{ bodyBytes: Uint8Array; sigMap: { sigPair: { pubKeyPrefix: Uint8Array; ed25519: Uint8Array }[] } }>;
  TransactionBody: MessageType<WireBody>;
  TransactionResponse: MessageType<object>;
  Query: MessageType<{ transactionGetReceipt?: { transactionID: WireTransactionId } }>;
  Response: MessageType<object>;
  ResponseCodeEnum: Record<string, number>;
}

/** What is used of @grpc/grpc-js. */
export interface Grpc {
  Server: new () => {
    addService(definition: object, methods: object): void;
    bindAsync(address: string, credentials: unknown, done: (error: Error | null, port: number) => void): void;
    forceShutdown(): void;
  };
  ServerCredentials: { createInsecure(): unknown };
  status: Record<string, number>;
}

export type UnaryCall = { request: Buffer };
export type UnaryAnswer = (error: { code: number; message: string } | null, answer?: Uint8Array) => void;

export function loadLibraries(): { grpc: Grpc; wire: Wire } {
  const load = createRequire(join(partFolder, 'package.json'));
  return { grpc: load('@grpc/grpc-js') as Grpc, wire: (load('@hiero-ledger/proto') as { proto: Wire }).proto };
}
