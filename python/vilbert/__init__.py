"""ViLBERT for referring expressions on PaddlePaddle; the TypeScript package calls it through `vilbert.bridge`."""
