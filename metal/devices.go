package metal

// Device is a GPU of this machine.
type Device struct {
	Name string
	// Family is Apple's: 7 is M1, 8 M2, 9 M3 and M4, 10 M5. 7 is needed.
	Family int
	// Memory is how many bytes of the machine's memory work well together on the GPU.
	Memory int64
}

// Devices lists the GPUs: one, on a Mac.
func Devices() (list []Device, err error) {
	o, err := loadObjC()
	if err != nil {
		return nil, err
	}
	o.pool(func() {
		if handle := o.systemDevice(); handle != 0 {
			p := describe(o, handle)
			list = append(list, Device{Name: p.name, Family: p.family, Memory: p.memory})
			o.send(handle, release)
		}
	})
	return list, nil
}

// openDevice opens the GPU with the kernels.
func openDevice() (device, error) {
	o, err := loadObjC()
	if err != nil {
		return nil, err
	}
	return openGPU(o, kernelSource())
}
