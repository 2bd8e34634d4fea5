function line=lte_scan(file)
% One line about the LTE cell in a file of cf32 samples at 1.92 MS/s, for conformance.py.
% Looks for the primary signal, then calls the stages of LTE-Cell-Scanner's Matlab folder, which must be on the path.
f=fopen(file); v=fread(f,inf,'float32'); fclose(f);
capbuf=complex(v(1:2:end),v(2:2:end)).';
fc=739e6;
[~,td]=pss_gen;
best=-1;
for offset=[-5e3 0 5e3]
  for p=1:3
    h=fshift(td(:,p).',offset,fs_lte/16)/137;
    xc=absx2(filter(conj(fliplr(h)),1,capbuf)(137:end));
    m=floor((length(xc)-100)/9600);
    xs=sum(reshape(xc(1:m*9600),9600,m),2).'/m;
    xi=xs;
    for t=1:2
      xi=xi+tshift(xs,-t)+tshift(xs,t);
    end
    [power,place]=max(xi);
    if (power>best)
      best=power;
      peak=struct('pow',power,'ind',place,'freq',offset,'n_id_2',p-1,'k_factor',1);
    end
  end
end
line='no cell';
names={'FDD','TDD'};
for tdd_flag=[0 1]
  cell=sss_detect(peak,capbuf,3,fc,0,tdd_flag);
  if (isnan(cell.n_id_1)||~strcmp(cell.cp_type,'normal'))
    continue;
  end
  cell=pss_sss_foe(cell,capbuf,fc,0,tdd_flag);
  [tfg,ts]=extract_tfg(cell,capbuf,fc,0,6);
  [tfgc,~,cell]=tfoec(cell,tfg,ts,fc,0);
  cell=decode_mib(cell,tfgc);
  if (~isnan(cell.n_rb_dl))
    line=sprintf('%s id=%d ports=%d rb=%d sfn=%d start=%.0f',names{tdd_flag+1},cell.n_id_cell,cell.n_ports,cell.n_rb_dl,cell.sfn,cell.frame_start);
    break;
  end
end
