#include <stdint.h>

#define REAL float
#define INTEGER int32_t
#define SQRT sqrtf
#define OF(name) name##_f32
#include "pairs.h"
