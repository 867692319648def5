/** What Ollama takes from a repository in the hub when nobody says otherwise. */
const usualQuantisation = 'Q4_K_M';

/**
 * Where a name that is to be pulled leads, as the model store has it: `hf.co/owner/repository:Q4_K_M`, a file in such a
 * repository, or the address of a .gguf file. Null for names of Ollama's own library, which this server does not read.
 */
export function sourceOf(name: string): string | null {
  const hub = /^(?:https?:\/\/)?(?:hf\.co|huggingface\.co)\/([^/\s]+\/[^/\s:]+)(?::([^/\s:]+))?$/i.exec(name);
  if (hub) return `hf:${hub[1]}:${hub[2] === undefined || hub[2].toLowerCase() === 'latest' ? usualQuantisation : hub[2]}`;
  const file = /^(?:hf\.co|huggingface\.co)\/(.+\.gguf)(?::latest)?$/i.exec(name);
  if (file) return `hf:${file[1]}`;
  const plain = name.replace(/:latest$/, '');
  return /^(https?:\/\/|hf:)/i.test(plain) ? plain : null;
}
