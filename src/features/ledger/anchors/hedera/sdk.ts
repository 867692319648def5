/*
 * What is used of @hiero-ledger/sdk 2.87.0. It is no dependency of this package, so its types are not here: these are the
 * parts of them that are needed. The tests run the SDK itself.
 */

export interface Sdk {
  Client: {
    forName(network: string, options: { scheduleNetworkUpdate: boolean }): SdkClient;
    forNetwork(nodes: Readonly<Record<string, string>>, options: { scheduleNetworkUpdate: boolean }): SdkClient;
  };
  PrivateKey: { fromStringDer(text: string): unknown; fromStringED25519(text: string): unknown; fromStringECDSA(text: string): unknown };
  AccountId: { fromString(text: string): unknown };
  TransactionId: { fromString(text: string): SdkTransactionId };
  TransactionReceiptQuery: new () => SdkReceiptQuery;
  /** Thrown when a node refuses a transaction. */
  StatusError: new () => Error & { status: { toString(): string } };
  /** The class that every transaction is of. */
  Transaction: { prototype: { freezeWith(this: unknown, client: unknown): unknown } };
  TopicMessageSubmitTransaction: new () => SdkSubmit;
}

export interface SdkClient {
  setOperator(account: unknown, key: unknown): this;
  setMaxAttempts(attempts: number): this;
  setMinBackoff(milliseconds: number): this;
  setMaxBackoff(milliseconds: number): this;
  setDefaultRegenerateTransactionId(regenerate: boolean): this;
  close(): void;
}

export interface SdkTransactionId {
  _toProtobuf(): unknown;
}

export interface SdkReceipt {
  status: { toString(): string };
  topicSequenceNumber: { toString(): string } | null;
  topicRunningHash: Uint8Array | null;
}

export interface SdkReceiptQuery {
  setTransactionId(id: SdkTransactionId): this;
  setValidateStatus(validate: boolean): this;
  execute(client: SdkClient, timeoutMs?: number): Promise<SdkReceipt>;
}

export interface SdkSubmit {
  setTopicId(topic: string): this;
  setMessage(bytes: Uint8Array): this;
  setTransactionId(id: SdkTransactionId): this;
  setRegenerateTransactionId(regenerate: boolean): this;
  setNodeAccountIds(nodes: unknown[]): this;
  freezeWith(client: unknown): this;
  execute(client: SdkClient, timeoutMs?: number): Promise<{ getReceiptQuery(client?: SdkClient): SdkReceiptQuery }>;
  _makeTransactionData(): object;
  /** One submission to one node; the SDK makes several. */
  _execute(channel: unknown, request: unknown): Promise<unknown>;
}
