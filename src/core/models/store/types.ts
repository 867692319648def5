/** A model in the hub or at an address, looked at before it is fetched. */
export interface ModelInspection {
  /** As asked for. */
  source: string;
  /** Where the file lies, without the query of the address. */
  url: string;
  /** Name it will have in the models folder. */
  fileName: string;
  sizeBytes: number;
  /** As the hub or the file itself names it (`apache-2.0`); null when neither says. */
  licence: string | null;
  architecture: string | null;
  /** Tokens the model was trained for. */
  contextLength: number | null;
  /** In hexadecimal, as the hub names it; null when nobody does. */
  sha256: string | null;
  /** Free bytes in the models folder. */
  freeBytes: number;
  /** Whether there is room for it. */
  fits: boolean;
}

/** A download, running or not. */
export interface ModelPull {
  id: string;
  source: string;
  /** Null until the hub has said which file it is. */
  fileName: string | null;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  receivedBytes: number;
  sizeBytes: number | null;
  /** Measured over the last seconds; null when it is not running or not measured yet. */
  bytesPerSecond: number | null;
  /** Why it failed, or failed last, for a person. */
  error: string | null;
  createdAt: number;
  endedAt: number | null;
}

/** A file in the models folder. */
export interface StoredModel {
  fileName: string;
  sizeBytes: number;
  /** Milliseconds since the epoch. */
  modifiedAt: number;
  /** Name in its metadata, else the file name. */
  label: string;
  licence: string | null;
  /** False for files the embedded engine cannot use: damaged ones, parts of a model, projectors. */
  usable: boolean;
}

/** A model worth trying first. */
export interface RecommendedModel {
  name: string;
  /** To inspect or pull. */
  source: string;
  /** Approximate: `inspect` tells the true size. Null when not known. */
  sizeBytes: number | null;
  licence: string;
  description: string;
}

/**
 * The files in the models folder, and how they come there. Nothing goes out to the network but by `inspect` and
 * `pull`: only when somebody asks.
 *
 * A source is the address of a .gguf file (`https://host/path/name.gguf`), a file in the hub
 * (`hf:owner/repository/name.gguf`) or a repository in the hub with a quantisation (`hf:owner/repository:Q4_K_M`).
 */
export interface ModelStore {
  readonly folder: string;
  readonly recommended: readonly RecommendedModel[];
  /**
   * Asks for size, licence and kind of a model without fetching it.
   * @throws {ParleyError} `invalid_request` for a source of no known form, `not_found`, `forbidden`,
   *   `unsupported_media_type` for what is no GGUF file, `provider_unavailable`, ...
   */
  inspect(source: string, signal?: AbortSignal): Promise<ModelInspection>;
  /**
   * Begins to fetch a model. It goes on after a restart of the server and after breaks of the line.
   * @param options.sha256 checksum the file must have, in hexadecimal
   * @throws {ParleyError} `invalid_request`, or `conflict` when the file is there or on its way already
   */
  pull(source: string, options: { sha256?: string | null; userId: string | null }): Promise<ModelPull>;
  /** Newest first, at most 100. */
  pulls(): Promise<ModelPull[]>;
  /** @throws {ParleyError} `not_found` */
  pullState(id: string): Promise<ModelPull>;
  /** What came so far is kept for `resume`. @throws {ParleyError} `not_found` */
  cancel(id: string): Promise<ModelPull>;
  /** Goes on with a failed or cancelled download where it ended. @throws {ParleyError} `not_found` */
  resume(id: string): Promise<ModelPull>;
  /** Resolves when the download has ended, well or not. @throws {ParleyError} `not_found` */
  wait(id: string, signal?: AbortSignal): Promise<ModelPull>;
  /** All .gguf files, by name. */
  list(): Promise<StoredModel[]>;
  /** Removes a file, and what was fetched of it so far. @throws {ParleyError} `not_found`, `conflict` while it is being fetched */
  remove(fileName: string): Promise<void>;
}
