/** Items of one batch. */
export const mostBatchItems = 256;
/** Batches of one user at the same time. */
export const mostBatchesOfOne = 4;
/** Milliseconds a batch may take; what has not ended by then fails. */
export const mostBatchMs = 10 * 60_000;
/** Items that are asked at the same time of a service that has no batches. */
export const itemsAtOnce = 4;

/** Characters of what is given to a stage, or to an item of a batch. */
export const mostInput = 50_000;
/** Characters that a stage may ask at once, its prompt filled in. */
export const mostQuestion = 1_000_000;
/** Characters that a stage may answer. */
export const mostOutput = 200_000;
/** Stages of one run, the joining one not counted. */
export const mostStages = 8;
/** Tokens of an answer, and how many where nobody says. */
export const mostTokens = 8192;
export const usualTokens = 512;

/** Runs that are worked on at the same time by one process. */
export const runsAtOnce = 4;
/** Runs that wait: of one user, and of all. */
export const mostWaitingOfOne = 20;
export const mostWaiting = 200;
/** Milliseconds that one run may take since it was last begun. */
export const mostRunMs = 30 * 60_000;
/** Ended runs of one user whose texts are kept, and for how long: milliseconds. */
export const mostKept = 200;
export const keptMs = 30 * 24 * 3_600_000;

/** Pieces of a streaming pipeline: least characters, most characters, how many may wait between two stages, and how many there may be. */
export const leastPiece = 40;
export const mostPiece = 2000;
export const piecesBetween = 4;
export const mostPieces = 500;
