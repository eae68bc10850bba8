/// 16-bit numbers to Bits bits: half up, and what would be one above the largest stays there.
module spacc_round #(
  parameter int unsigned Count = 4,
  parameter int unsigned Bits  = 16 // 2..16
) (
  input  logic [Count*16-1:0]   data_i,
  output logic [Count*Bits-1:0] data_o
);

  if (Bits == 16) begin : gen_same
    assign data_o = data_i;
  end else begin : gen_round
    for (genvar i = 0; i < Count; i++) begin : gen_number
      logic [Bits-1:0] kept;
      logic            up;
      assign kept = data_i[16*i+16-Bits +: Bits];
      assign up   = data_i[16*i+15-Bits] && kept != {1'b0, {(Bits-1){1'b1}}};
      assign data_o[Bits*i +: Bits] = kept + Bits'(up);
    end
  end

endmodule
