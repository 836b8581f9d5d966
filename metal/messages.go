package metal

// id is an Objective-C object; 0 is nil.
type id uintptr

// method is a method of Objective-C that is called here.
type method struct {
	class    string // class or protocol
	selector string
	// types are those of the result, of the receiver, of the selector and of the arguments, in the runtime's encoding: v void,
	// @ object, : selector, * string, q and Q signed and unsigned 64-bit integers (NSInteger, NSUInteger, uint64_t), B BOOL,
	// ^ pointer to, {} MTLSize, which is {NSUInteger width, height, depth} by value, @? block.
	types string
	sel   uintptr // once registered
}

// methods are all that are declared below.
var methods []*method

func declare(class, selector, types string) *method {
	m := &method{class: class, selector: selector, types: types}
	methods = append(methods, m)
	return m
}

// The methods, as Apple's documentation of Metal and Foundation has them (developer.apple.com/documentation/metal), checked
// against Apple's own C++ bindings (metal-cpp). Those whose name begins with new or alloc give an object that the caller
// owns; others give one that lives as long as the pool or its owner. The system has to be macOS 13 or later, but for those
// that are asked for by respondsToSelector.
var (
	release            = declare("NSObject", "release", "v@:")
	retain             = declare("NSObject", "retain", "@@:")
	newObject          = declare("NSObject", "new", "@@:") // of the class
	respondsToSelector = declare("NSObject", "respondsToSelector:", "B@::")

	stringWithUTF8String = declare("NSString", "stringWithUTF8String:", "@@:*") // of the class
	utf8String           = declare("NSString", "UTF8String", "*@:")
	localizedDescription = declare("NSError", "localizedDescription", "@@:")
	errorCode            = declare("NSError", "code", "q@:")

	deviceName                   = declare("MTLDevice", "name", "@@:")
	supportsFamily               = declare("MTLDevice", "supportsFamily:", "B@:q")
	recommendedMaxWorkingSetSize = declare("MTLDevice", "recommendedMaxWorkingSetSize", "Q@:")
	maxBufferLength              = declare("MTLDevice", "maxBufferLength", "Q@:")
	maxThreadgroupMemoryLength   = declare("MTLDevice", "maxThreadgroupMemoryLength", "Q@:")
	newCommandQueue              = declare("MTLDevice", "newCommandQueue", "@@:")
	newBufferWithLength          = declare("MTLDevice", "newBufferWithLength:options:", "@@:QQ")
	newBufferWithBytesNoCopy     = declare("MTLDevice", "newBufferWithBytesNoCopy:length:options:deallocator:", "@@:^vQQ@?")
	newLibraryWithSource         = declare("MTLDevice", "newLibraryWithSource:options:error:", "@@:@@^@")
	newComputePipelineState      = declare("MTLDevice", "newComputePipelineStateWithFunction:error:", "@@:@^@")

	setFastMathEnabled = declare("MTLCompileOptions", "setFastMathEnabled:", "v@:B")
	setLanguageVersion = declare("MTLCompileOptions", "setLanguageVersion:", "v@:Q")
	newFunction        = declare("MTLLibrary", "newFunctionWithName:", "@@:@")

	bufferContents = declare("MTLBuffer", "contents", "^v@:")

	maxTotalThreadsPerThreadgroup = declare("MTLComputePipelineState", "maxTotalThreadsPerThreadgroup", "Q@:")
	threadExecutionWidth          = declare("MTLComputePipelineState", "threadExecutionWidth", "Q@:")

	commandBuffer         = declare("MTLCommandQueue", "commandBufferWithUnretainedReferences", "@@:")
	computeCommandEncoder = declare("MTLCommandBuffer", "computeCommandEncoderWithDispatchType:", "@@:Q")
	commit                = declare("MTLCommandBuffer", "commit", "v@:")
	waitUntilCompleted    = declare("MTLCommandBuffer", "waitUntilCompleted", "v@:")
	commandBufferStatus   = declare("MTLCommandBuffer", "status", "Q@:")
	commandBufferError    = declare("MTLCommandBuffer", "error", "@@:")

	setComputePipelineState    = declare("MTLComputeCommandEncoder", "setComputePipelineState:", "v@:@")
	setBytes                   = declare("MTLComputeCommandEncoder", "setBytes:length:atIndex:", "v@:^vQQ")
	setBuffer                  = declare("MTLComputeCommandEncoder", "setBuffer:offset:atIndex:", "v@:@QQ")
	setThreadgroupMemoryLength = declare("MTLComputeCommandEncoder", "setThreadgroupMemoryLength:atIndex:", "v@:QQ")
	memoryBarrier              = declare("MTLComputeCommandEncoder", "memoryBarrierWithScope:", "v@:Q")
	dispatchThreadgroups       = declare("MTLComputeCommandEncoder", "dispatchThreadgroups:threadsPerThreadgroup:", "v@:{}{}")
	endEncoding                = declare("MTLComputeCommandEncoder", "endEncoding", "v@:")

	// From macOS 15 on.
	newResidencySet  = declare("MTLDevice", "newResidencySetWithDescriptor:error:", "@@:@^@")
	addResidencySet  = declare("MTLCommandQueue", "addResidencySet:", "v@:@")
	addAllocation    = declare("MTLResidencySet", "addAllocation:", "v@:@")
	removeAllocation = declare("MTLResidencySet", "removeAllocation:", "v@:@")
	commitResidency  = declare("MTLResidencySet", "commit", "v@:")
	requestResidency = declare("MTLResidencySet", "requestResidency", "v@:")
)

// leastFamily is that of the M1, the first with all SIMD-group functions (Metal Feature Set Tables).
const leastFamily = 7

// Constants of the framework.
const (
	familyApple1      = 1001    // MTLGPUFamilyApple1; Apple2 is 1002, and so on
	familyMetal3      = 5001    // MTLGPUFamilyMetal3: every GPU from family 7 on, on macOS 13 and later
	languageVersion30 = 3 << 16 // MTLLanguageVersion3_0
	storageShared     = 0       // MTLResourceStorageModeShared, cached, hazards tracked
	dispatchTogether  = 1       // MTLDispatchTypeConcurrent
	barrierOfBuffers  = 1       // MTLBarrierScopeBuffers
	statusError       = 5       // MTLCommandBufferStatusError
	maxBytes          = 4 << 10 // of setBytes
)

// objc is the Objective-C runtime with the Metal framework loaded.
type objc interface {
	// systemDevice is MTLCreateSystemDefaultDevice.
	systemDevice() id
	// class finds a class by its name.
	class(name string) id
	// send calls a method; arguments and result are as the types tell, each in a word. A BOOL is its lowest byte.
	send(to id, m *method, args ...uintptr) uintptr
	// sendSizes calls a method whose arguments are two MTLSize.
	sendSizes(to id, m *method, a, b [3]uintptr)
	// pool runs f on one thread of the system, and then releases what f was given to look at.
	pool(f func())
}
