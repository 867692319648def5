import { ParleyError, type FieldIssue } from '../../base/errors.ts';
import type { RegistrationRequest } from './types.ts';

const usernameForm = /^[A-Za-z0-9_.-]{3,32}$/;
/** One @, no blanks, a dot in the domain: an address is proven only by a letter that arrives. */
const emailForm = /^[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/;
/** Control characters, line ends, and those that turn the direction of the text around them. */
const controlCharacter = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** The length of passwords in UTF-16 units. */
export const passwordLength = { least: 8, most: 200 } as const;
const maxEmailLength = 254;
const maxNameLength = 100;

/** Two names with the same key are the same name. */
export function usernameKey(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}

/** Whether a text can be a username at all: at least one letter or digit, so that no name is a path like `...`. */
export function isUsername(text: string): boolean {
  return usernameForm.test(text) && /[A-Za-z0-9]/.test(text);
}

/**
 * The fields of a registration, trimmed where blanks mean nothing.
 * @throws {ParleyError} `validation_failed` with every field at fault
 */
export function checkRegistration(request: RegistrationRequest): { username: string; password: string; email: string | null; name: string | null } {
  const email = request.email?.trim() || null;
  const name = request.name?.trim() || null;
  const issues = [
    ...usernameIssues(request.username),
    ...passwordIssues(request.password),
    ...(email !== null && (email.length > maxEmailLength || !emailForm.test(email) || controlCharacter.test(email))
      ? [issue('email', 'must be an e-mail address', 'invalid_format')] : []),
    ...(name !== null && (name.length > maxNameLength || controlCharacter.test(name))
      ? [issue('name', `must have at most ${maxNameLength} characters and no control characters`, 'invalid_format')] : []),
  ];
  if (issues.length > 0) throw new ParleyError('validation_failed', { issues });
  return { username: request.username, password: request.password, email, name };
}

/** @throws {ParleyError} `validation_failed` */
export function checkPassword(password: string): void {
  const issues = passwordIssues(password);
  if (issues.length > 0) throw new ParleyError('validation_failed', { issues });
}

function usernameIssues(username: string): FieldIssue[] {
  return isUsername(username) ? [] : [issue('username', 'must have 3 to 32 characters, only letters, digits, _ . and -, and a letter or digit among them', 'invalid_format')];
}

function passwordIssues(password: string): FieldIssue[] {
  if (password.length < passwordLength.least) return [issue('password', `must have at least ${passwordLength.least} characters`, 'too_small')];
  if (password.length > passwordLength.most) return [issue('password', `must have at most ${passwordLength.most} characters`, 'too_big')];
  return [];
}

function issue(field: string, message: string, kind: string): FieldIssue {
  return { path: ['body', field], message: `${field} ${message}`, kind };
}
