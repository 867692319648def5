/** What may stand in front of a name and means no other model: the registry that Ollama asks anyway, and its own shelf there. */
const implied = /^(?:registry\.ollama\.ai\/)?(?:library\/)?/;

/** The name under which Ollama lists a model: without what is implied, and always with a tag. The port of a registry is none. */
export function listedName(model: string): string {
  const name = model.replace(implied, '');
  return /:[^/]*$/.test(name) ? name : `${name}:latest`;
}
