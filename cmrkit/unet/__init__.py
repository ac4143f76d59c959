"""The comparison U-Net: arms, training, scores and clinical measures of each arm's masks."""
