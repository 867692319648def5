export { formatDatetime, timeAgo } from './dates.ts';
export { calculateFileHash, formatFileSize, getFileTypeIcon, type HashAlgorithm } from './files.ts';
export { generateApiKey, generateSecureToken, hashPassword, verifyPassword } from './security.ts';
export { truncateText } from './text.ts';
