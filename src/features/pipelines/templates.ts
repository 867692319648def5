import { ParleyError } from '../../base/errors.ts';
import { mostQuestion } from './limits.ts';

/** What a template may name. */
export interface Fillings {
  input: string;
  original: string;
  /** Outputs of earlier stages by their names. */
  stages: ReadonlyMap<string, string>;
}

const places = /\{\{\s*(input|original|stage\.([\w-]{1,64}))\s*\}\}/g;

/**
 * The question of a stage. What is put in is not looked at again: a text that looks like a template is just a text.
 * @throws {ParleyError} `too_large` before a text is made that names a long one very often
 */
export function fill(template: string | null, { input, original, stages }: Fillings): string {
  if (template === null) return input;
  let hasPlace = false;
  let length = template.length;
  const put = (text: string): string => {
    if ((length += text.length) > mostQuestion) throw new ParleyError('too_large', { message: `With its prompt filled in a stage would ask more than ${mostQuestion} characters.` });
    return text;
  };
  const filled = template.replace(places, (_whole, name: string, stage: string | undefined) => {
    hasPlace = true;
    if (name === 'input') return put(input);
    return put(stage === undefined ? original : (stages.get(stage) ?? ''));
  });
  return hasPlace ? filled : `${template}\n\n${input}`;
}

/** Names of stages that a template wants. */
export function stagesIn(template: string | null): string[] {
  return template === null ? [] : [...template.matchAll(places)].flatMap(([, , stage]) => stage ?? []);
}
