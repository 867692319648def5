import { describe, expect, it } from 'vitest';
import { detailsOf } from './model-details.ts';

const values = (entries: Record<string, string | number | boolean>) => new Map(Object.entries(entries));

describe('What a GGUF file says of itself', () => {
  it('is taken as it stands there', () => {
    expect(detailsOf(values({ 'general.size_label': '7B', 'general.file_type': 15, 'general.license': ' mit ', 'qwen2.context_length': 32768, 'qwen2.embedding_length': 896 }), 'qwen2')).toEqual({
      format: 'gguf', architecture: 'qwen2', parameterSize: '7B', quantisation: 'Q4_K_M', licence: 'mit', trainedTokens: 32768, embeddingLength: 896, capabilities: null, sha256: null,
    });
  });

  it('is left out where it says nothing, or nothing that can be', () => {
    expect(detailsOf(values({ 'general.size_label': ' ', 'general.file_type': 9999, 'llama.context_length': -1, 'llama.embedding_length': 0.5 }), 'llama')).toEqual({
      format: 'gguf', architecture: 'llama', parameterSize: null, quantisation: null, licence: null, trainedTokens: null, embeddingLength: null, capabilities: null, sha256: null,
    });
  });

  it.each([[494_032_768, '494M'], [7_615_616_512, '7.6B'], [70_553_706_496, '71B'], [1_200_000, '1M'], [33_000, '33K']])('writes %i parameters as people do', (count, label) => {
    expect(detailsOf(values({ 'general.parameter_count': count }), 'llama').parameterSize).toBe(label);
  });
});
