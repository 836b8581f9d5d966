package quant

import "golang.org/x/sys/windows"

// hasI8MM reports whether the processor has FEAT_I8MM: x/sys/cpu does not tell on Windows.
func hasI8MM() bool {
	return windows.IsProcessorFeaturePresent(windows.PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE)
}
