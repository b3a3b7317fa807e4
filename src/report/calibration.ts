import type {Judged} from './judged.js'

export type CalibrationBin = {
  /** Scores in [from, to); the last bin has 1, too. */
  readonly from: number
  readonly to: number
  readonly total: number
  readonly meanScore: number
  readonly meanOverlap: number
  readonly accuracy: number
}

/** Whether the score of the chosen region, the overlap that the model expects, is the overlap that it has. */
export type Calibration = {
  /** Ten of equal width; those without sentences are left out. */
  readonly bins: readonly CalibrationBin[]
  /** Mean over sentences of the distance between the mean score and the mean IoU of their bin. */
  readonly expectedError: number
}

const binCount = 10

/** Score against IoU of the chosen regions; null where the result file has no logits. */
export function calibrate(judged: readonly Judged[]): Calibration | null {
  const answers = judged.flatMap((sentence) => {
    const logit = sentence.logits?.[sentence.chosen]
    const overlap = sentence.overlaps[sentence.chosen]
    return logit === undefined || overlap === undefined ? [] : [{score: sigmoid(logit), overlap, ...sentence}]
  })
  if (answers.length === 0) return null
  const bins = Array.from({length: binCount}, (_, bin) => {
    const own = answers.filter(({score}) => Math.min(Math.floor(score * binCount), binCount - 1) === bin)
    return {
      from: bin / binCount,
      to: (bin + 1) / binCount,
      total: own.length,
      meanScore: mean(own.map(({score}) => score)),
      meanOverlap: mean(own.map(({overlap}) => overlap)),
      accuracy: mean(own.map(({isRight}) => Number(isRight))),
    }
  }).filter(({total}) => total > 0)
  const distances = bins.map(({total, meanScore, meanOverlap}) => total * Math.abs(meanScore - meanOverlap))
  return {bins, expectedError: distances.reduce((sum, distance) => sum + distance, 0) / answers.length}
}

/** What the model makes of a logit: the overlap that it expects. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
