import type {Box} from '../../src/data/overlap.js'
import type {Judged} from '../../src/report/judged.js'
import type {MeasuredRun} from '../../src/report/measure-run.js'
import {judge} from '../../src/report/outcome.js'
import {overlap} from '../../src/report/overlap.js'
import {splitNumbers} from '../../src/report/split-numbers.js'
import type {World} from '../../src/report/world.js'
import {seededRandom} from './python.js'

/** What people may write into data in order to get a page to do something. */
export const hostileTexts: readonly string[] = [
  '</script><script>alert(1)</script>',
  '</style><img src=x onerror=alert(1)>',
  '" onload="alert(1)" x="',
  "' onload='alert(1)' x='",
  '<svg/onload=alert(1)>',
  '</title></svg><iframe srcdoc="<script>alert(1)</script>">',
  '&lt;script&gt;&#60;img src=x&#62;',
  'javascript:alert(1) ${alert(1)} `alert(1)`',
  '\u0000<\u0000script>\u0008\uD800 \u202Egnp.exe',
]

export type MadeRunOptions = {
  readonly sentences: number
  readonly text?: string
  readonly category?: string
  readonly fileName?: string
}

const regions: readonly Box[] = [
  [0, 0, 640, 480],
  [10, 10, 110, 110],
  [30, 20, 140, 130],
  [300, 200, 420, 330],
  [500, 40, 620, 200],
]

/** A run with made answers on one split, two sentences an image: all a page needs, without files. */
export function madeRun({
  sentences,
  text = 'the left one',
  category = 'thing',
  fileName = 'a.jpg',
}: MadeRunOptions): MeasuredRun {
  const random = seededRandom(7)
  const objects = [0, 1, 2].map(
    (place) => ({annId: place, categoryId: place % 2, box: regions[place + 1] ?? [0, 0, 1, 1]}) as const,
  )
  const judged = Array.from({length: sentences}, (_, index): Judged => {
    const {
      annId,
      categoryId,
      box: target,
    } = objects[index % 3] ?? {annId: 0, categoryId: 0, box: [0, 0, 1, 1] as const}
    const logits = regions.map(() => 4 * random() - 2)
    const ranking = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0))
    const chosen = ranking[0] ?? 0
    const overlaps = regions.map((region) => overlap(region, target))
    const own = overlaps[chosen] ?? 0
    const choice = {
      target,
      annId,
      categoryId,
      chosen: regions[chosen] ?? target,
      overlap: own,
      bestOverlap: 1,
    }
    const {outcome, owner} = judge(choice, objects)
    return {
      ...{
        sentId: index,
        refId: index,
        imageId: Math.floor(index / 2),
        categoryId,
        text,
        target,
        regions,
        overlaps,
      },
      ...{chosen, ranking, logits, outcome, isRight: own > 0.5, rivals: 1, areaShare: 0.1},
      chosenCategoryId: owner?.categoryId ?? null,
    }
  })
  const images = judged.map(({imageId}) => [imageId, {width: 640, height: 480, fileName}] as const)
  const world: World = {
    ...{dataset: 'refcoco+', splitBy: 'unc', refs: [], images: new Map(images)},
    categories: new Map([0, 1].map((id) => [id, `${category}${id}`])),
    regionsOf: () => regions,
    objectsOf: () => objects,
  }
  return {
    name: text,
    data: {dataRoot: '/data', dataset: 'refcoco+', splitBy: 'unc', cacheDir: null, featuresDtype: 'float32'},
    world,
    judged: new Map([['val', judged]]),
    numbers: {
      schema: 'vilbert-ts/report@1',
      run: text,
      checkpoint: {file: 'best.pdparams', sizeBytes: 1, sha256: 'a'.repeat(64)},
      data: {dataset: 'refcoco+', splitBy: 'unc', fingerprint: 'f'},
      bootstrap: {replicates: 2000, seed: 42, confidence: 0.95},
      splits: [splitNumbers('val', judged, world.categories)],
      learning: {
        steps: 3,
        loss: [1, 2, 3].map((step) => ({step, loss: 1 / step})),
        validations: [{epoch: 1, step: 3, accuracy: 0.5, best: true}],
      },
    },
  }
}
