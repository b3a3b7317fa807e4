/** In which numbers features are kept on the disk: float16 takes half of the space. */
export const featuresDtypes = ['float32', 'float16'] as const
export type FeaturesDtype = (typeof featuresDtypes)[number]
