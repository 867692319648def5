/** The key under which the metadata of an imported message keeps what its columns must not claim. It stands first. */
export const importKey = 'parley_import';

/** How the metadata of every imported message begins. */
export const importMark = `{"${importKey}"`;
