# Compiler and linker flags of every target of ours; third-party sources get none of the warnings.
add_library(cairn_flags INTERFACE)
target_compile_options(cairn_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror=unused-result -Werror=return-type>
  $<$<CONFIG:Release>:-O2>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
  target_compile_options(cairn_flags INTERFACE -march=x86-64-v2)
endif()
if(CAIRN_SANITIZE)
  target_compile_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined
    -O1)  # compiles a third faster than -O2; the last one counts
  target_link_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE})
endif()
find_program(CAIRN_MOLD mold)
if(CAIRN_MOLD)
  target_link_options(cairn_flags INTERFACE -fuse-ld=mold)
endif()
