/** What a template may name. */
export interface Fillings {
  input: string;
  original: string;
  /** Outputs of earlier stages by their names. */
  stages: ReadonlyMap<string, string>;
}

const places = /\{\{\s*(input|original|stage\.([\w-]{1,64}))\s*\}\}/g;

/** The question of a stage. What is put in is not looked at again: a text that looks like a template is just a text. */
export function fill(template: string | null, { input, original, stages }: Fillings): string {
  if (template === null) return input;
  let hasPlace = false;
  const filled = template.replace(places, (_whole, name: string, stage: string | undefined) => {
    hasPlace = true;
    if (name === 'input') return input;
    return stage === undefined ? original : (stages.get(stage) ?? '');
  });
  return hasPlace ? filled : `${template}\n\n${input}`;
}

/** Names of stages that a template wants. */
export function stagesIn(template: string | null): string[] {
  return template === null ? [] : [...template.matchAll(places)].flatMap(([, , stage]) => stage ?? []);
}
