/**
 * What the published contracts promise and Parley does not keep yet: routes that answer 501, events that are not spoken,
 * and fields that are null because nobody can know them yet. The suites fail when something of this list has come true
 * and still stands here, and when the list grows beyond `mostEntries`: it only shrinks.
 */
export const notYet: Readonly<Record<string, NotYet>> = {
  arketic: { operations: [], events: [], fields: {} },
  friend: {
    operations: [
      'saveMemory', 'searchMemories', 'deleteMemory', 'getMemoryStats', 'getMemoryTiers',
      'speechToText', 'textToSpeech', 'listAudioDevices',
      'getProfile', 'updateProfile', 'deleteProfile',
      'getAnalyticsOverview', 'getEmotionTrends', 'getTopics',
      'getPersona', 'updatePersona', 'resetPersona',
      'setExpression', 'playAnimation', 'getLipSync',
      'getAgentsStatus', 'testAgent',
    ],
    events: [],
    fields: {
      sendChat: ['emotion'],
      getHistory: ['messages.[].emotion'],
      '/api/chat/ws/{user_id} reply': ['emotion'],
    },
  },
  studio: {
    operations: ['uploadFile', 'listFiles', 'deleteFile', 'createKnowledgeBase', 'listKnowledgeBases', 'searchKnowledgeBase'],
    events: [],
    fields: {},
  },
  ultimate: {
    operations: [
      'getP2PStatus', 'startP2P', 'p2pInference', 'getP2PPeers', 'getP2PModels',
      'startTask', 'getTaskStatus', 'executeContract', 'getBlockchainMetrics',
      'previewVision', 'previewQuantumEncryption',
      'previewEdgeDeployment',
    ],
    events: [
      '/ get_p2p_status', '/ start_distributed_inference', '/ join_p2p_network', '/ get_blockchain_analytics',
      '/ voice_message', '/ p2p_node_connected', '/ distributed_inference_started', '/ distributed_inference_completed',
      '/ task_progress_detailed', '/ consensus_training_update', '/ p2p_inference_result', '/ task_completed',
    ],
    fields: {},
  },
};

/** Entries of the list above. May be lowered, never raised. */
export const mostEntries = 55;

/**
 * Fields that are null for good where nobody can know them, by operation id or by channel and event. docs/arketic.md says why.
 */
export const unknowable: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  // The service tells no usage of an answer that was cancelled.
  arketic: { '/api/v1/chat/chats/{chat_id}/ws ai_response_complete': ['message.tokens_used'] },
};

export interface NotYet {
  /** Operation ids. */
  operations: readonly string[];
  /** Channel and event. */
  events: readonly string[];
  /** Fields that are null, by operation id or by channel and event; `[]` stands for the items of a list. */
  fields: Readonly<Record<string, readonly string[]>>;
}
