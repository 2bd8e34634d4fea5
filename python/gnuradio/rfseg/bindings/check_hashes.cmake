# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compares BINDTOOL_HEADER_FILE_HASH of every binding with the MD5 of the header it names.
#   cmake -DBINDINGS=DIR -DHEADERS=DIR [-DUPDATE=ON] -P check_hashes.cmake

file(GLOB bindings ${BINDINGS}/*_python.cc)
set(drifted "")
foreach(binding ${bindings})
    file(READ ${binding} text)
    string(REGEX MATCH "BINDTOOL_HEADER_FILE\\(([^)]*)\\)" _ "${text}")
    set(header ${CMAKE_MATCH_1})
    string(REGEX MATCH "BINDTOOL_HEADER_FILE_HASH\\(([^)]*)\\)" _ "${text}")
    set(recorded ${CMAKE_MATCH_1})
    file(MD5 ${HEADERS}/${header} actual)
    if(NOT recorded STREQUAL actual)
        if(UPDATE)
            execute_process(COMMAND sed -i s/HEADER_FILE_HASH\(.*\)/HEADER_FILE_HASH\(${actual}\)/ ${binding})
        else()
            string(APPEND drifted "\n${binding}: ${header} has MD5 ${actual}, not ${recorded}")
        endif()
    endif()
endforeach()
if(drifted)
    message(FATAL_ERROR "headers changed after their bindings; review the bindings, then run this with -DUPDATE=ON:${drifted}")
endif()
