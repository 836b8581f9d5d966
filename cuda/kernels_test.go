package cuda

import (
	"regexp"
	"strings"
	"testing"
)

// TestEarly looks into every kernel that may begin while the one before it ends for the instruction that waits for that.
func TestEarly(t *testing.T) {
	entry := regexp.MustCompile(`(?m)^\.visible \.entry (\w+)\(`)
	ptx := string(decompress(kernels90))
	names := entry.FindAllStringSubmatch(ptx, -1)
	bodies := entry.Split(ptx, -1)[1:]
	if len(names) < 10 {
		t.Fatalf("there are %d kernels", len(names))
	}
	for i, body := range bodies {
		if name := names[i][1]; !strings.Contains(body, "griddepcontrol.wait;") {
			t.Errorf("kernel %s does not wait for the one before it", name)
		}
	}
}
