local function no(f, ...) assert(not pcall(f, ...)) end
no(jetgen.run, {raet=5}) no(jetgen.run, {5}) no(jetgen.open, {sessions='many'}) no(jetgen.open, {sessions=0/0})
no(jetgen.open, {sessions=math.huge}) no(jetgen.run, {seconds=1, sizes={{64, 1}, 65}}) no(jetgen.open, {fec={65, 4}})
no(jetgen.run, {seconds=1, gilbert={enter=1}}) no(jetgen.run, {seconds=1}, 5) no(jetgen.flood, {valid=1})
error(setmetatable({}, {__tostring = function() error('so') end}))
