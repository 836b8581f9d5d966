package cuda

import "unsafe"

// gpuGraph is a graph that the driver has made ready to run.
type gpuGraph struct {
	*gpu
	executable uintptr
}

func (g *gpu) record(build func() error) (graph, error) {
	// Other threads may use the driver meanwhile.
	const relaxed = 2
	if err := g.call("cuStreamBeginCapture_v2", g.stream, relaxed); err != nil {
		return nil, err
	}
	failed := build()
	var captured uintptr
	err := g.call("cuStreamEndCapture", g.stream, uintptr(unsafe.Pointer(&captured)))
	if captured != 0 {
		defer g.call("cuGraphDestroy", captured)
	}
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	r := &gpuGraph{gpu: g}
	if err := g.call("cuGraphInstantiateWithFlags", uintptr(unsafe.Pointer(&r.executable)), captured, 0); err != nil {
		return nil, err
	}
	return r, nil
}

func (g *gpu) run(recorded graph) error {
	return g.call("cuGraphLaunch", recorded.(*gpuGraph).executable, g.stream)
}

func (r *gpuGraph) release() { r.call("cuGraphExecDestroy", r.executable) }
