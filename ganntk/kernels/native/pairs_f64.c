#include <stdint.h>

#define REAL double
#define INTEGER int64_t
#define SQRT sqrt
#define OF(name) name##_f64
#include "pairs.h"
