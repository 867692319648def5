import type { ModelDetails } from '../../types.ts';
import type { GgufMetadata } from './gguf-metadata.ts';

/** Names of `general.file_type`: how most tensors of a file are quantised (llama.cpp, `llama_ftype`). */
const fileTypes = new Map([
  [0, 'F32'], [1, 'F16'], [2, 'Q4_0'], [3, 'Q4_1'], [7, 'Q8_0'], [8, 'Q5_0'], [9, 'Q5_1'], [10, 'Q2_K'], [11, 'Q3_K_S'], [12, 'Q3_K_M'], [13, 'Q3_K_L'],
  [14, 'Q4_K_S'], [15, 'Q4_K_M'], [16, 'Q5_K_S'], [17, 'Q5_K_M'], [18, 'Q6_K'], [19, 'IQ2_XXS'], [20, 'IQ2_XS'], [21, 'Q2_K_S'], [22, 'IQ3_XS'],
  [23, 'IQ3_XXS'], [24, 'IQ1_S'], [25, 'IQ4_NL'], [26, 'IQ3_S'], [27, 'IQ3_M'], [28, 'IQ2_S'], [29, 'IQ2_M'], [30, 'IQ4_XS'], [31, 'IQ1_M'],
  [32, 'BF16'], [36, 'TQ1_0'], [37, 'TQ2_0'], [38, 'MXFP4'],
]);

/** What a GGUF file says of itself beyond what is needed to load it. */
export function detailsOf(values: GgufMetadata['values'], architecture: string): ModelDetails {
  const text = (key: string): string | null => {
    const value = values.get(key);
    return typeof value === 'string' && value.trim() !== '' ? value.trim().slice(0, 200) : null;
  };
  const whole = (key: string): number | null => {
    const value = values.get(key);
    return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : null;
  };
  const fileType = values.get('general.file_type');
  return {
    format: 'gguf',
    architecture,
    parameterSize: text('general.size_label') ?? sizeLabel(whole('general.parameter_count')),
    quantisation: typeof fileType === 'number' ? (fileTypes.get(fileType) ?? null) : null,
    licence: text('general.license'),
    trainedTokens: whole(`${architecture}.context_length`),
    embeddingLength: whole(`${architecture}.embedding_length`),
    capabilities: null,
    sha256: null,
  };
}

/** A count of parameters as people write it: `494M`, `7.6B`. */
function sizeLabel(count: number | null): string | null {
  if (count === null) return null;
  const [unit, letter] = count >= 1e9 ? [1e9, 'B'] : count >= 1e6 ? [1e6, 'M'] : [1e3, 'K'];
  const number = count / unit;
  return `${number < 10 && letter === 'B' ? number.toFixed(1) : Math.round(number)}${letter}`;
}
